"""A camera on the network that is pulled out, falls silent and comes back."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import cv2
import pytest

from device.cameras.opencv_camera import LiveCamera
from sightline.errors import CameraError
from tests.device.fakes import DEADLINE_S, Now, image

HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
FRAMES = 8  # before it is gone

Ending = Callable[[threading.Event], None]


def falls_silent(over: threading.Event) -> None:
    over.wait()  # the server keeps the connection: the camera alone can end this


def hangs_up(_: threading.Event) -> None:
    pass


@contextlib.contextmanager
def motion_jpeg(then: Ending, *, cut: bool) -> Iterator[str]:
    """Serve some frames to each who connects, end as told, and with *cut* amid a frame."""
    over = threading.Event()
    jpeg = cv2.imencode(".jpg", image(90, 320, 240))[1].tobytes()
    part = b"--frame\r\nContent-Type: image/jpeg\r\n"
    part += f"Content-Length: {len(jpeg)}\r\n\r\n".encode() + jpeg + b"\r\n"

    def one(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.recv(4096)
            connection.sendall(HEAD + part * FRAMES + (part[:200] if cut else b""))
            then(over)

    def run() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        accepting = threading.Thread(target=run, daemon=True)
        accepting.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/video"
        finally:
            over.set()
            server.shutdown(socket.SHUT_RDWR)
            accepting.join(DEADLINE_S)


@pytest.mark.parametrize("cut", [False, True], ids=["between frames", "amid a frame"])
@pytest.mark.parametrize("then", [falls_silent, hangs_up])
def test_a_camera_that_is_gone_is_told_of_in_time_and_is_there_again_afterwards(
    then: Ending, cut: bool
) -> None:
    told = list[str]()

    def watch(source: str) -> None:
        for _ in range(2):  # the supervisor starts the agent again
            with LiveCamera(source, width=320, height=240, timeout_s=0.5) as camera:
                seen = 0
                try:
                    while camera.capture(Now()) is not None:
                        seen += 1
                except CameraError as err:
                    told.append(str(err))
            assert seen >= FRAMES - 1

    with motion_jpeg(then, cut=cut) as source:
        thread = threading.Thread(target=watch, args=(source,), daemon=True)
        thread.start()
        thread.join(2 * DEADLINE_S)

    assert told == [f"camera source {source}: it has stopped giving frames"] * 2
