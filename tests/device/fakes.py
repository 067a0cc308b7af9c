"""What the tests of the agent stand on: frames, a cloud in the process, a link that fails."""

import hashlib
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np

from device.cameras.camera import Captured, Image, Pace
from device.network.local_link import LocalLink
from device.settings import (
    CameraSettings,
    FrameSettings,
    IotSettings,
    Settings,
    StorageSettings,
    UplinkSettings,
)
from device.spooling.spool import SpooledFrame
from sightline.errors import TransportError
from sightline.keys import frame_key, new_frame_id
from sightline.messages import Face, FrameCaptured, FrameRecognized, Person, decode, encode
from sightline.topics import every, parse, topic

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DEADLINE_S = 10.0

ADA = Face(
    box=(412, 180, 96, 118),
    detection=0.998,
    decision="known",
    person=Person(id="ada-lovelace", name="Ada Lovelace", record={"major": "Mathematics"}),
    distance=0.41,
    margin=0.34,
    threshold=0.55,
)


def until(condition: Callable[[], bool]) -> None:
    """Wait for *condition*, with a deadline."""
    pause, end_s = threading.Event(), time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end_s, "it did not come to be in time"
        pause.wait(0.005)


def settings(**uplink: float) -> Settings:
    nowhere = Path("/nowhere")
    return Settings(
        thing="front-door",
        iot=IotSettings(endpoint="127.0.0.1", ca=nowhere, certificate=nowhere, private_key=nowhere),
        storage=StorageSettings(
            region="us-east-1",
            bucket="media",
            credentials_endpoint="127.0.0.1:8443",
            role_alias="sightline-device",
        ),
        camera=CameraSettings(source="folder"),
        frames=FrameSettings(interval_s=0.02),
        uplink=UplinkSettings(**{"stop_timeout_s": 0.3, **uplink}),  # type: ignore[arg-type]
    )


def image(value: int = 128, width: int = 64, height: int = 48) -> Image:
    return np.full((height, width, 3), value, np.uint8)


def spooled(second: int = 0, *, size: int = 10) -> SpooledFrame:
    at = NOON.replace(second=second)
    frame_id = new_frame_id(at)
    return SpooledFrame(
        frame_id=frame_id,
        key=frame_key("front-door", frame_id, at),
        captured_at=at,
        captured_s=float(second),
        width=64,
        height=48,
        size=size,
        sha256=hashlib.sha256(b"j" * size).hexdigest(),
        jpeg=b"j" * size,
    )


def key_of(frame_id: str, captured_at: datetime) -> str:
    return frame_key("front-door", frame_id, captured_at)


def recognized(frame_id: str, *faces: Face, repeat: bool = False) -> FrameRecognized:
    return FrameRecognized(
        frame_id=frame_id,
        device="front-door",
        captured_at=NOON,
        recognized_at=NOON,
        width=64,
        height=48,
        faces=faces,
        engine="dlib-resnet@1",
        gallery=3,
        repeat=repeat,
        timings_ms={"detect": 24.0},
    )


class Cloud:
    """Answers each reference on a link, from a thread as the real one does."""

    def __init__(self, link: LocalLink, *faces: Face, times: int = 1) -> None:
        self.references: list[FrameCaptured] = []
        self._link, self._faces, self._times = link, faces, times
        link.subscribe(every("frames"), self._answer)

    def _answer(self, where: str, payload: bytes) -> None:
        reference = decode(FrameCaptured, payload)
        self.references.append(reference)
        answer = recognized(reference.frame_id, *self._faces)
        for _ in range(self._times):
            self._link.publish(topic(parse(where)[0], "results"), encode(answer))


class UnreliableLink(LocalLink):
    """Fails so many publishes before it lets one through."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        if topic.endswith("/frames") and self.failures:
            self.failures -= 1
            raise TransportError("there is no connection")
        super().publish(topic, payload, retain=retain)


class MemoryStore:
    """Frames in a dict; fails as told."""

    def __init__(self, *errors: Exception) -> None:
        self.frames: dict[str, bytes] = {}
        self.errors = list(errors)

    def put(self, key: str, jpeg: bytes, sha256: str) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.frames[key] = jpeg


class Now:
    """A pace that wants each frame at once, and never waits."""

    def remaining_s(self) -> float:
        return 0.0

    def pause(self, seconds: float) -> None:
        return None


class EndlessCamera:
    """Gives the same image whenever it is wanted; then fails, if told to."""

    def __init__(self, *, fail_after: int | None = None, error: Exception | None = None) -> None:
        self.is_open = False
        self.taken = 0
        self._fail_after, self._error = fail_after, error

    def __enter__(self) -> "EndlessCamera":
        self.is_open = True
        return self

    def __exit__(self, *_: object) -> None:
        self.is_open = False

    def capture(self, pace: Pace) -> Captured | None:
        if self.taken == self._fail_after and self._error is not None:
            raise self._error
        while (remaining_s := pace.remaining_s()) > 0:
            pace.pause(remaining_s)
        self.taken += 1
        return Captured(image=image(), captured_at=datetime.now(UTC), captured_s=time.monotonic())


def write_clip(path: Path, frames: int, fps: float = 10.0) -> None:
    """Write a clip whose frame i is of the grey 12 i."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (64, 48))
    assert writer.isOpened()
    for i in range(frames):
        writer.write(image(12 * i))
    writer.release()
