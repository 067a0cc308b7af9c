"""Cameras that are not there, or go: what the agent says, and with which status it ends."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.end_to_end.actors import Agent, Device, eventually

pytestmark = pytest.mark.stack

MakeDevice = Callable[..., Device]
StartAgent = Callable[..., Agent]
DATA = Path(__file__).parents[1] / "data"
SIZE = (320, 240)


@pytest.fixture
def impatient(device: MakeDevice) -> MakeDevice:
    """A device that does not wait for its camera for long."""

    def make() -> Device:
        made = device()
        made.configure("[camera]", "[camera]\ntimeout_s = 2")
        made.configure("interval_s = 0.5", "interval_s = 0.2")
        return made

    return make


def ended(agent: Agent, status: int) -> str:
    """Wait for the end of an agent that has something to say to its operator; the line."""
    assert agent.wait() == status, agent.log
    assert "Traceback" not in agent.log
    lines = [line for line in agent.log.splitlines() if line.startswith("device: ")]
    assert len(lines) == 1, agent.log
    return lines[0]


def picture(number: int) -> np.ndarray:
    image = np.full((*SIZE[::-1], 3), 40 + number % 100, np.uint8)
    cv2.putText(image, str(number), (20, 120), cv2.FONT_HERSHEY_SIMPLEX, 2, (255, 255, 255), 3)
    return image


@contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Listen on a port, and *answer* each connection in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(connection,), daemon=True).start()

        def one(connection: socket.socket) -> None:
            with connection:
                try:
                    answer(connection)
                except OSError:
                    return  # the agent has gone

        accepting = threading.Thread(target=run, daemon=True)
        accepting.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            accepting.join(10)


def test_a_file_that_is_no_video_is_said_so(impatient: MakeDevice, start_agent: StartAgent) -> None:
    made = impatient()
    files = {
        "letter.mp4": b"Dear Sir or Madam,\n" * 100,
        "empty.mp4": b"",
        "torn.mp4": _clip(made.folder.parent / "whole.mp4", 20).read_bytes()[:3000],
    }
    agents = []
    for name, data in files.items():
        path = made.folder.parent / name
        path.write_bytes(data)
        agents.append((path, start_agent(impatient(), "--camera", path)))

    for path, agent in agents:
        line = ended(agent, 2)
        assert f"camera source {path}: it is not a video that can be read" in line
        assert "try to play it, or turn it into H.264 in MP4" in line


def test_a_source_that_is_not_there_is_named(
    impatient: MakeDevice, start_agent: StartAgent, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    sources = {
        str(tmp_path / "nowhere"): "no such file or folder",
        str(tmp_path / "nowhere.mp4"): "no such file or folder",
        str(tmp_path / "empty"): "there are no pictures in this folder",
        "usb:zero": 'expected "picamera2", "usb:NUMBER"',
        "ftp://camera/stream": 'expected "picamera2", "usb:NUMBER"',
    }
    agents = [(s, t, start_agent(impatient(), "--camera", s)) for s, t in sources.items()]

    for source, said, agent in agents:
        line = ended(agent, 2)
        assert f"camera source {source}: " in line
        assert said in line


def test_a_usb_camera_that_is_not_plugged_in_ends_the_agent_with_1(
    impatient: MakeDevice, start_agent: StartAgent
) -> None:
    line = ended(start_agent(impatient(), "--camera", "usb:97"), 1)

    assert "camera source usb:97: there is no such camera" in line


def test_a_camera_on_the_network_that_does_not_answer_is_given_up_in_time(
    impatient: MakeDevice, start_agent: StartAgent
) -> None:
    heard: list[bytes] = []

    def mute(connection: socket.socket) -> None:
        while data := connection.recv(4096):
            heard.append(data)

    with serving(mute) as port, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        shut = closed.getsockname()[1]
        silent = start_agent(impatient(), "--camera", f"rtsp://me:secret@127.0.0.1:{port}/stream")
        absent = start_agent(impatient(), "--camera", f"rtsp://127.0.0.1:{shut}/stream")

        for agent, address in (
            (silent, f"rtsp://…@127.0.0.1:{port}/stream"),
            (absent, f"rtsp://127.0.0.1:{shut}/stream"),
        ):
            line = ended(agent, 1)
            assert f"camera source {address}: it gives no video (waited for up to 2 s)" in line
            assert "is the address right, and the camera on?" in line
    assert any(data.startswith(b"OPTIONS rtsp://") for data in heard)  # it did ask
    assert "secret" not in silent.log


def _motion_jpeg(connection: socket.socket, go_on: Callable[[int], bool]) -> None:
    """Answer as a network camera does over HTTP, a JPEG after the other."""
    connection.recv(4096)
    connection.sendall(
        b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
    )
    number = 0
    pace = threading.Event()
    while go_on(number):
        jpeg = cv2.imencode(".jpg", picture(number))[1].tobytes()
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
        connection.sendall(head.encode() + jpeg + b"\r\n")
        number += 1
        pace.wait(0.04)  # a camera's rate


@pytest.mark.parametrize("how", ["hangs up", "falls silent"])
def test_a_camera_that_stops_giving_frames_ends_the_agent_with_1(
    impatient: MakeDevice, start_agent: StartAgent, how: str
) -> None:
    enough, over = threading.Event(), threading.Event()

    def camera(connection: socket.socket) -> None:
        _motion_jpeg(connection, lambda _: not enough.is_set())
        if how == "falls silent":
            over.wait(60)

    with serving(camera) as port:
        source = f"http://127.0.0.1:{port}/video"
        agent = start_agent(impatient(), "--camera", source)
        agent.wait_for_lines(2)  # it worked
        enough.set()
        line = ended(agent, 1)
        over.set()

    assert f"camera source {source}: it has stopped giving frames" in line
    assert "left unanswered" not in agent.log  # what it had taken was seen through


def test_a_clip_that_ends_is_answered_whole_and_the_agent_ends_with_0(
    impatient: MakeDevice, start_agent: StartAgent, tmp_path: Path
) -> None:
    agent = start_agent(
        impatient(), "--camera", _clip(tmp_path / "clip.mp4", 50), "--json", "--report",
        tmp_path / "report.jsonl",
    )  # fmt: skip

    assert agent.wait() == 0, agent.log
    *results, summary = map(json.loads, agent.lines)
    assert summary["kind"] == "summary"
    assert summary["captured"] == summary["answered"] == len(results)
    assert 8 <= len(results) <= 11  # two seconds, a frame every 0.2 s
    assert summary["unanswered"] == summary["dropped"] == summary["rejected"] == 0
    assert len({each["frame_id"] for each in results}) == len(results)
    assert (tmp_path / "report.jsonl").read_text().splitlines() == agent.lines


def test_a_report_that_cannot_be_written_is_said_before_anything_is_sent(
    impatient: MakeDevice, start_agent: StartAgent, tmp_path: Path
) -> None:
    paths = (tmp_path / "nowhere" / "report.jsonl", tmp_path)
    agents = [(p, start_agent(impatient(), "--camera", DATA, "--report", p)) for p in paths]

    for path, agent in agents:
        assert f"--report {path}: cannot be written: " in ended(agent, 2)
        assert agent.lines == []


def test_a_report_on_a_full_disk_stops_while_recognition_goes_on(
    impatient: MakeDevice, start_agent: StartAgent
) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full on this system")

    agent = start_agent(impatient(), "--camera", DATA, "--loop", "--frames", "3", "--report", full)

    assert agent.wait() == 0, agent.log
    assert agent.log.count("the report ends here: /dev/full: No space left on device") == 1
    assert len(agent.lines) >= 3
    assert "Traceback" not in agent.log


def test_pictures_that_cannot_be_read_are_named_and_passed_over(
    impatient: MakeDevice, start_agent: StartAgent, tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / "b.png"), picture(1))
    (tmp_path / "a.jpg").write_text("no picture")

    agent = start_agent(impatient(), "--camera", tmp_path, "--json")

    assert agent.wait() == 0, agent.log
    assert f"passed over {tmp_path / 'a.jpg'}: it cannot be read as a picture" in agent.log
    assert len(agent.lines) == 2  # a result and the summary
    eventually("end", lambda: agent.process.poll() is not None)


def _clip(path: Path, frames: int) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, SIZE)
    assert writer.isOpened()
    for number in range(frames):
        writer.write(picture(number))
    writer.release()
    return path
