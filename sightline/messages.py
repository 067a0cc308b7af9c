"""The messages that cross the wire, as immutable values.

To construct a message is to validate it, so one that exists is valid, whichever side made it.
`encode` and `decode` are the only way to bytes and back: UTF-8 JSON, so that the IoT console's MQTT
test client shows and sends them readably. Fields that a message does not have are ignored: a newer
peer may add some.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NoReturn, TypeVar

from sightline import keys, wire
from sightline.errors import MessageError
from sightline.topics import check_device
from sightline.wire import Json

MAX_PAYLOAD_BYTES = 128 * 1024  # AWS IoT Core disconnects who publishes more

Decision = Literal["known", "unknown", "unsure", "too_small", "blurred"]
RejectedReason = Literal[
    "not_json",
    "bad_field",
    "foreign_key",
    "no_such_object",
    "too_large",
    "not_an_image",
    "unsupported_format",
    "internal",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What the device's gate saw in a frame."""

    motion: float | None = None  # share of pixels that changed, 0 to 1
    faces: int | None = None  # None: the gate did not look for faces

    def __post_init__(self) -> None:
        if self.motion is not None and not 0 <= self.motion <= 1:
            raise MessageError(f"motion: {self.motion} is not from 0 to 1")
        _check_at_least(0, "faces", self.faces)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Where in a recorded video a frame is."""

    id: str
    offset_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameCaptured:
    """A reference to a frame that already lies in the bucket. Device to cloud.

    The bucket is never in the message: the function knows its own.
    """

    key: str  # all that a person must type in the test client
    frame_id: str = ""  # a UUIDv7; else the key's stem
    captured_at: datetime | None = None  # else when the rule received it
    width: int | None = None
    height: int | None = None
    bytes: int | None = None
    sha256: str | None = None
    gate: Gate | None = None
    segment: Segment | None = None
    # None: `captured_at` is as good as the device's clock. `corrected`: that was set after the
    # frame was taken, and the time is reckoned back. `unset`: it is not set; the time is wrong.
    clock: Literal["corrected", "unset"] | None = None

    def __post_init__(self) -> None:
        if not self.frame_id:
            object.__setattr__(self, "frame_id", keys.stem(self.key))
        _check_id("frame_id", self.frame_id)
        _check_time("captured_at", self.captured_at)
        for name in ("width", "height", "bytes"):
            _check_at_least(1, name, getattr(self, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody enrolled."""

    id: str
    name: str
    # Any JSON object. None: it was left out, because the message would have been over the limit.
    record: Mapping[str, Json] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """One face in a frame, and what was decided about it."""

    box: tuple[int, int, int, int]  # x, y, width, height in pixels of the frame, from its top left
    detection: float  # the detector's probability that this is a face, 0 to 1
    decision: Decision
    person: Person | None  # only when known
    distance: float | None  # the engine's raw measure; smaller is nearer; never a percentage
    margin: float | None  # how much farther the next person is; None: there is no next
    threshold: float | None

    def __post_init__(self) -> None:
        if min(self.box) < 0:
            raise MessageError(f"box: {self.box} reaches out of the frame")
        if not 0 <= self.detection <= 1:
            raise MessageError(f"detection: {self.detection} is not from 0 to 1")
        if (self.decision == "known") != (self.person is not None):
            raise MessageError(f"person: a face has one if it is known; this is {self.decision}")
        if self.decision == "known" and self.distance is None:
            raise MessageError("distance: a known face has one")


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRecognized:
    """Who is in a frame, with each person's record. Cloud to device."""

    frame_id: str
    device: str
    captured_at: datetime
    recognized_at: datetime
    width: int
    height: int
    faces: tuple[Face, ...]
    engine: str
    gallery: int  # the version of the gallery that was decided against
    repeat: bool  # an answer given before, because the reference came again
    timings_ms: Mapping[str, float]

    def __post_init__(self) -> None:
        _check_id("frame_id", self.frame_id)
        _check_device(self.device)
        _check_time("captured_at", self.captured_at)
        _check_time("recognized_at", self.recognized_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRejected:
    """Why a reference could not be served, in words a person can act on. Cloud to device."""

    frame_id: str | None
    device: str
    reason: RejectedReason
    detail: str
    key: str | None

    def __post_init__(self) -> None:
        _check_device(self.device)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What an agent has done since it started."""

    captured: int = 0
    # Frames given up unanswered, as the spool was full or they were too old: since its spool was
    # begun, for a process that is killed leaves it to the next one to tell of its own.
    dropped: int = 0
    uploaded: int = 0
    published: int = 0
    answered: int = 0
    rejected: int = 0
    gated: int | None = None  # frames looked at and not sent; None: there is no gate
    skipped: int | None = None  # frames due that gate, JPEG or disk were too busy for; None: none
    overdue: int | None = None  # references not answered in time, and sent again; None: none
    # None, each of them: the camera is not recorded
    recorded: int | None = None  # frames in the video
    unrecorded: int | None = None  # frames that should be in it, and are not


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAnswer:
    """What became of a command.

    `merged`: the same was told again before it was done. `repeated`: this very one was done before.
    """

    command: str  # empty: it could not be read
    outcome: Literal["done", "expired", "refused", "merged", "repeated"]
    at: datetime
    command_id: str | None = None
    detail: str | None = None
    times: int | None = None  # so often it was told meanwhile, and done once; None: once

    def __post_init__(self) -> None:
        _check_time("at", self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStatus:
    """A device's state. Device to all, retained; its last will is one too."""

    device: str
    state: Literal["online", "offline"]
    at: datetime  # of a last will: when the device connected
    version: str
    counters: Counters | None = None  # a last will has none
    spooled: int | None = None
    paused: bool | None = None
    detail: str | None = None
    clock: Literal["unset"] | None = None  # `at` is wrong, and so are the times of its frames
    commands: tuple[CommandAnswer, ...] | None = None  # the newest last

    def __post_init__(self) -> None:
        _check_device(self.device)
        _check_time("at", self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something an operator tells a device to do now."""

    command: Literal["capture", "pause", "resume", "identify-yourself"]
    command_id: str | None = None
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        _check_time("expires_at", self.expires_at)


Message = FrameCaptured | FrameRecognized | FrameRejected | DeviceStatus | Command
M = TypeVar("M", bound=Message)


def encode(message: Message) -> bytes:
    """Write *message* as compact JSON.

    Raises:
        MessageError: The JSON is larger than the broker takes, or holds what JSON cannot.
    """
    try:
        text = json.dumps(
            wire.dump(message), ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
        payload = text.encode()
    except (TypeError, ValueError) as err:
        raise MessageError(f"cannot be written as JSON: {err}") from err
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise MessageError(f"{len(payload)} bytes are over the limit of {MAX_PAYLOAD_BYTES}")
    return payload


def decode(kind: type[M], payload: bytes) -> M:
    """Read a *kind* from JSON.

    Raises:
        MessageError: The payload is not a valid *kind*; it names the field and what was expected.
            Nothing else is ever raised.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise MessageError(f"{len(payload)} bytes are over the limit of {MAX_PAYLOAD_BYTES}")
    try:
        value = json.loads(payload.decode(), parse_constant=_refuse_constant)
        return wire.load(kind, value)
    except MessageError:
        raise
    except RecursionError as err:  # 100,000 brackets do that
        raise MessageError("the JSON is nested too deeply", reason="not_json") from err
    except ValueError as err:
        raise MessageError(f"the payload is not JSON: {err}", reason="not_json") from err


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check_id(name: str, value: str) -> None:
    if not 1 <= len(value) <= 128 or not value.isprintable() or "#" in value or "/" in value:
        raise MessageError(
            f"{name}: {value[:60]!r} is not 1 to 128 printable characters less # and /"
        )


def _check_device(value: str) -> None:
    try:
        check_device(value)
    except MessageError as err:
        raise MessageError(f"device: {err}") from err


def _check_time(name: str, value: datetime | None) -> None:
    if value is not None and value.utcoffset() != timedelta(0):
        raise MessageError(f"{name}: {value} is not in UTC")


def _check_at_least(least: int, name: str, value: int | None) -> None:
    if value is not None and value < least:
        raise MessageError(f"{name}: {value} is less than {least}")
