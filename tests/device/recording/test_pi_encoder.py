"""The Pi's camera and encoder, against a stub of picamera2's interface."""

import sys
import threading
import types
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from device.cameras.pi_camera import PiCamera
from device.recording.pi_encoder import PiEncoder, group_frames
from device.recording.pi_writer import PiWriter
from device.recording.recorder import Recorder
from device.recording.ring import Ring
from device.recording.settings import RecordingSettings
from sightline.errors import CameraError
from tests.device.fakes import DEADLINE_S, NOON, Now, image
from tests.device.recording.film import BEGUN_S, numbers, packets

SETTINGS = RecordingSettings(enabled=True, segment_s=0.5, bitrate=3_000_000)


class Output:
    """picamera2.outputs.Output: what an encoder gives packets to."""

    def __init__(self, pts: object = None) -> None:
        self.recording = False


class H264Encoder:
    """picamera2.encoders.H264Encoder: its arguments, and the time stamps it begins at 0."""

    def __init__(self, bitrate: int | None = None, repeat: bool = True, iperiod: int = 30) -> None:
        self.said = {"bitrate": bitrate, "repeat": repeat, "iperiod": iperiod}
        self.firsttimestamp: int | None = None  # in µs, as the sensor's


class Request:
    """picamera2's CompletedRequest."""

    def __init__(self, camera: "Picamera2") -> None:
        self._camera = camera

    def make_array(self, name: str) -> Any:
        assert name == "main"
        return image(30, 640, 480)

    def get_metadata(self) -> dict[str, int]:
        return {"SensorTimestamp": self._camera.sensor_ns}

    def release(self) -> None:
        self._camera.calls.append("release")


class Picamera2:
    """The calls of picamera2 that we make."""

    def __init__(self) -> None:
        self.calls: list[object] = []
        self.sensor_ns = 0
        self.output: Any = None
        self.encoder: Any = None
        self.busy = False

    def create_video_configuration(self, main: dict[str, object]) -> dict[str, object]:
        return main

    def configure(self, configuration: dict[str, object]) -> None:
        self.calls.append("configure")

    def start(self) -> None:
        self.calls.append("start")

    def start_encoder(self, encoder: Any, output: Any) -> None:
        if self.busy:
            raise OSError(16, "Device or resource busy")
        assert isinstance(output, Output)  # as picamera2 does
        self.calls.append("start_encoder")
        self.encoder, self.output = encoder, output

    def stop_encoder(self, encoder: Any) -> None:
        assert encoder is self.encoder
        self.calls.append("stop_encoder")

    def capture_request(self) -> Request:
        return Request(self)

    def close(self) -> None:
        self.calls.append("close")


@pytest.fixture(autouse=True)
def picamera2(monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules that only a Pi has."""
    for name, kinds in (
        ("picamera2", (Picamera2,)),
        ("picamera2.encoders", (H264Encoder,)),
        ("picamera2.outputs", (Output,)),
    ):
        module = types.ModuleType(name)
        for kind in kinds:
            setattr(module, kind.__name__, kind)
        monkeypatch.setitem(sys.modules, name, module)


class Recorded:
    """A Pi whose camera is recorded."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.ring = Ring(folder, max_bytes=10**9)
        self.recorder: Recorder[bytes] = Recorder(
            self.ring, PiWriter, **{"segment_s": 0.5, "each_frame": False, **options}
        )
        self.now_s = BEGUN_S
        encoder = PiEncoder(self.recorder, SETTINGS, now=lambda: NOON, clock=lambda: self.now_s)
        self.camera = PiCamera(
            width=640, height=480, encoder=encoder, now=lambda: NOON, clock=lambda: self.now_s
        )
        self._thread = threading.Thread(target=self.recorder.run, daemon=True)
        self._thread.start()

    @property
    def stub(self) -> Picamera2:
        stub = self.camera._camera
        assert isinstance(stub, Picamera2)
        return stub

    def end(self) -> None:
        self.recorder.close()
        self._thread.join(DEADLINE_S)


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    it = Recorded(tmp_path)
    yield it
    it.end()


def give(stub: Picamera2, frames: int, *, newer: bool = True) -> None:
    """Encode, as picamera2's thread does, from the moment BEGUN_S on."""
    stub.encoder.firsttimestamp = round(BEGUN_S * 1e6)
    more: dict[str, object] = {"packet": None, "audio": False} if newer else {}
    for number, each in zip(count(), packets(frames), strict=False):
        stub.output.outputframe(memoryview(each.data), each.key, round(number * 1e6 / 30), **more)


def test_what_the_encoder_gives_lies_in_segments_and_nothing_is_lost(recorded: Recorded) -> None:
    with recorded.camera as camera:
        camera.capture(Now())
        stub = recorded.stub
        give(stub, 60)
    recorded.end()

    assert stub.encoder.said == {"bitrate": 3_000_000, "repeat": True, "iperiod": 15}
    assert stub.calls == ["configure", "start", "start_encoder", "release", "stop_encoder", "close"]
    assert numbers(recorded.ring) == list(range(60))
    assert len(recorded.ring.ids()) == 4


def test_an_older_picamera2_gives_fewer_arguments(recorded: Recorded) -> None:
    with recorded.camera as camera:
        camera.capture(Now())
        give(recorded.stub, 30, newer=False)
    recorded.end()

    assert numbers(recorded.ring) == list(range(30))


def test_a_frame_is_found_in_the_video_by_the_sensors_time(recorded: Recorded) -> None:
    with recorded.camera as camera:
        camera.capture(Now())
        give(recorded.stub, 30)
        recorded.stub.sensor_ns = round((BEGUN_S + 20 / 30) * 1e9)
        recorded.now_s = BEGUN_S + 0.8  # it took a while
        captured = camera.capture(Now())
        assert captured
        place = recorded.recorder.place(captured.captured_s)
    recorded.end()

    assert captured.captured_s == pytest.approx(BEGUN_S + 20 / 30)
    assert (NOON - captured.captured_at).total_seconds() == pytest.approx(0.8 - 20 / 30, abs=1e-5)
    assert place
    assert (place.id, place.offset_ms) == (recorded.ring.ids()[1], round(5 / 30 * 1000))


def test_a_sensors_time_that_cannot_be_is_not_believed(recorded: Recorded) -> None:
    with recorded.camera as camera:
        captured = camera.capture(Now())  # the stub's says 0: years ago
        assert captured
        recorded.stub.encoder.firsttimestamp = 17
        recorded.stub.output.outputframe(next(packets(1)).data, True, 0)
        assert recorded.recorder.place(BEGUN_S)

    assert (captured.captured_s, captured.captured_at) == (BEGUN_S, NOON)


def test_the_encoder_stops_when_the_duration_is_over_and_frames_go_on(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path, duration_s=1.0)
    with recorded.camera as camera:
        camera.capture(Now())
        give(recorded.stub, 45)
        assert camera.capture(Now())
        assert camera.capture(Now())
        assert recorded.stub.calls.count("stop_encoder") == 1
    recorded.end()

    assert numbers(recorded.ring) == list(range(30))


def test_an_encoder_that_another_program_has_is_the_cameras_trouble(recorded: Recorded) -> None:
    with recorded.camera as camera:
        recorded.stub.busy = True
        with pytest.raises(CameraError, match="busy"):
            camera.capture(Now())


@pytest.mark.parametrize(
    ("segment_s", "frames"), [(0.5, 15), (1, 30), (2, 60), (5, 50), (7.3, 55), (300, 60)]
)
def test_a_key_frame_falls_on_each_segments_end(segment_s: float, frames: int) -> None:
    assert group_frames(segment_s) == frames
    assert frames <= 60
    over = -(-segment_s * 30 // frames) * frames - segment_s * 30
    assert over < 2
