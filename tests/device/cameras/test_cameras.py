"""Each camera by itself; hardware stands in by a module of its name."""

import socket
import sys
import threading
import types
from pathlib import Path

import cv2
import numpy as np
import pytest

from device.cameras.camera import Image
from device.cameras.clip_camera import ClipCamera
from device.cameras.folder_camera import FolderCamera
from device.cameras.opencv_camera import LiveCamera, without_password
from device.cameras.pi_camera import PiCamera
from sightline.errors import CameraError, ConfigError
from tests.device.fakes import NOON, Now, image, write_clip


class Time:
    """A clock that goes only when somebody waits for it."""

    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


class Every:
    """A pace that wants a frame each so many seconds of a `Time`."""

    def __init__(self, time: Time, interval_s: float) -> None:
        self._time, self._interval_s, self._due_s = time, interval_s, time.s

    def remaining_s(self) -> float:
        return max(0.0, self._due_s - self._time.s)

    def pause(self, seconds: float) -> None:
        self._time.s += max(0.0, seconds)

    def taken(self) -> None:
        self._due_s += self._interval_s


def grey(picture: Image) -> int:
    return round(float(picture.mean()))


def play(camera: ClipCamera, time: Time, interval_s: float, limit: int = 100) -> list[int]:
    """Give the grey of each frame wanted, divided by that of one step."""
    pace, seen = Every(time, interval_s), []
    with camera:
        while len(seen) < limit and (captured := camera.capture(pace)) is not None:
            pace.taken()
            seen.append(round(grey(captured.image) / 12))
    return seen


def test_a_clip_is_played_by_its_own_time_stamps(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", 20, fps=10)
    time = Time()

    assert play(ClipCamera(tmp_path / "clip.mp4", clock=time), time, 0.5) == [0, 5, 10, 15]
    assert time.s == pytest.approx(101.9, abs=0.01)


def test_a_clip_that_is_played_again_goes_on_in_time(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", 10, fps=10)
    time = Time()

    seen = play(ClipCamera(tmp_path / "clip.mp4", loop=True, clock=time), time, 0.5, limit=6)

    assert seen == [0, 5, 0, 5, 0, 5]
    assert time.s == pytest.approx(102.5, abs=0.01)


def test_a_clip_says_when_each_frame_was_taken(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", 3)
    with ClipCamera(tmp_path / "clip.mp4", now=lambda: NOON, clock=lambda: 7.0) as camera:
        captured = camera.capture(Now())

    assert captured is not None
    assert (captured.captured_at, captured.captured_s) == (NOON, 7.0)
    assert captured.image.shape == (48, 64, 3)


def test_what_is_no_video_is_named(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("a shopping list")
    for name, expected in (("clip.mp4", "not a video"), ("none.mp4", "no such file")):
        with pytest.raises(ConfigError, match=rf"{name}.*{expected}"):
            ClipCamera(tmp_path / name).__enter__()


def test_a_folders_pictures_come_once_in_order_and_colour_as_opencv_has_it(tmp_path: Path) -> None:
    for i in (2, 1, 3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), image(i * 10))
    blue = np.zeros((4, 4, 3), np.uint8)
    blue[..., 0] = 255
    cv2.imwrite(str(tmp_path / "4.png"), blue)
    (tmp_path / "notes.txt").write_text("no picture")

    with FolderCamera(tmp_path) as camera:
        seen = [c.image for c in iter(lambda: camera.capture(Now()), None)]

    assert [grey(each) for each in seen[:3]] == [10, 20, 30]
    assert seen[3][0, 0].tolist() == [255, 0, 0]


def test_a_picture_that_cannot_be_read_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "1.jpg").write_text("no picture")
    cv2.imwrite(str(tmp_path / "2.png"), image(20))
    with FolderCamera(tmp_path) as camera:
        captured = camera.capture(Now())

    assert captured is not None
    assert grey(captured.image) == 20
    assert "1.jpg" in caplog.text


def test_a_folder_can_begin_again(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), image(10))
    cv2.imwrite(str(tmp_path / "2.png"), image(20))
    with FolderCamera(tmp_path, loop=True) as camera:
        frames = [camera.capture(Now()) for _ in range(5)]

    assert [grey(each.image) for each in frames if each] == [10, 20, 10, 20, 10]


def test_a_folder_without_pictures_or_with_none_that_can_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no pictures"):
        FolderCamera(tmp_path).__enter__()
    with pytest.raises(ConfigError, match="none"):
        FolderCamera(tmp_path / "none").__enter__()
    (tmp_path / "1.jpg").write_text("no picture")
    with (
        FolderCamera(tmp_path, loop=True) as camera,
        pytest.raises(CameraError, match="no picture in it can be read"),
    ):
        camera.capture(Now())


def test_a_live_camera_gives_the_first_frame_from_when_it_is_wanted(tmp_path: Path) -> None:
    # A clip stands for the camera: OpenCV reads both alike, only that a camera has no end.
    write_clip(tmp_path / "clip.mp4", 10)
    camera = LiveCamera("http://camera/video", width=64, height=48)
    camera._target = str(tmp_path / "clip.mp4")
    wanted = iter([1.0, 1.0, 1.0, 0.0])

    class Fourth(Now):
        def remaining_s(self) -> float:
            return next(wanted, 0.0)

    with camera:
        captured = camera.capture(Fourth())
        assert captured is not None
        assert round(grey(captured.image) / 12) == 3
        for _ in range(6):
            camera.capture(Now())
        with pytest.raises(CameraError, match="stopped giving frames"):
            camera.capture(Now())


def test_an_rtsp_address_that_does_not_answer_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        address = f"rtsp://user:secret@127.0.0.1:{port}/1"  # pragma: allowlist secret
        failed = threading.Event()

        def enter() -> None:
            with pytest.raises(CameraError, match="no video") as caught:
                LiveCamera(address, width=64, height=48, timeout_s=0.3).__enter__()
            assert "secret" not in str(caught.value)
            failed.set()

        threading.Thread(target=enter, daemon=True).start()
        assert failed.wait(10)


def test_a_usb_camera_that_is_not_there_is_named() -> None:
    with pytest.raises(CameraError, match=r"usb:99.*no such camera"):
        LiveCamera("usb:99", width=64, height=48).__enter__()


WITH_PASSWORD = "ftp://user:secret@camera/1"  # pragma: allowlist secret


@pytest.mark.parametrize("source", ["usb:x", WITH_PASSWORD, "rtsp://"])
def test_a_source_that_there_cannot_be_is_named_without_its_password(source: str) -> None:
    with pytest.raises(ConfigError, match="expected") as caught:
        LiveCamera(source, width=64, height=48)
    assert "secret" not in str(caught.value)


def test_an_address_is_logged_without_its_password() -> None:
    assert without_password("rtsp://a:b@host:554/x?y=1") == "rtsp://…@host:554/x?y=1"
    assert without_password("rtsp://host/x") == "rtsp://host/x"
    assert without_password("rtsp://a:b@[host/x") == "rtsp://…@[host/x"


class Picamera2:
    """The calls of picamera2 that we make."""

    failure: Exception | None = None

    def __init__(self) -> None:
        if self.failure:
            raise self.failure
        self.calls: list[object] = []

    def create_video_configuration(self, main: dict[str, object]) -> dict[str, object]:
        return main

    def configure(self, configuration: dict[str, object]) -> None:
        self.calls.append(configuration)

    def start(self) -> None:
        self.calls.append("start")

    def capture_array(self, stream: str) -> Image:
        if "broken" in self.calls:
            raise RuntimeError("camera time-out")
        return image(30, 640, 480)

    def close(self) -> None:
        self.calls.append("close")


@pytest.fixture
def picamera2(monkeypatch: pytest.MonkeyPatch) -> type[Picamera2]:
    """The module that only a Pi has."""
    module = types.ModuleType("picamera2")
    kind = type("Picamera2", (Picamera2,), {})
    module.Picamera2 = kind  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    return kind


def test_the_pis_camera_is_asked_for_blue_green_red_and_let_go_of(
    picamera2: type[Picamera2],
) -> None:
    with PiCamera(width=640, height=480, now=lambda: NOON) as camera:
        captured = camera.capture(Now())
        inner = camera._camera

    assert captured is not None
    assert captured.image.shape == (480, 640, 3)
    assert inner.calls == [{"format": "RGB888", "size": (640, 480)}, "start", "close"]


def test_a_pi_without_a_camera_says_so(picamera2: type[Picamera2]) -> None:
    picamera2.failure = IndexError("list index out of range")
    with pytest.raises(CameraError, match="no camera"):
        PiCamera(width=640, height=480).__enter__()


def test_a_pis_camera_that_stops_says_so(picamera2: type[Picamera2]) -> None:
    with PiCamera(width=640, height=480) as camera:
        camera._camera.calls.append("broken")
        with pytest.raises(CameraError, match="it has stopped"):
            camera.capture(Now())


def test_without_picamera2_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(ConfigError, match="apt install python3-picamera2") as caught:
        PiCamera(width=640, height=480).__enter__()
    assert "--system-site-packages" in str(caught.value)
    assert "or give --camera usb:0, rtsp://…, a clip or a folder" in str(caught.value)


def test_a_numpy_in_the_way_of_picamera2_is_told_with_the_mend(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = "numpy.dtype size changed, may indicate binary incompatibility"
    (tmp_path / "picamera2.py").write_text(f"raise ValueError({said!r})")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)

    with pytest.raises(ConfigError, match=r"numpy\.dtype size changed") as caught:
        PiCamera(width=640, height=480).__enter__()
    for mend in ("--system-site-packages", "no numpy or opencv from pip", "or give --camera usb:0"):
        assert mend in str(caught.value)
