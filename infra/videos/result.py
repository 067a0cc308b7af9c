"""What the stack says of a video, as far as its user asks: `<name>.json`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sightline import wire
from sightline.errors import MessageError
from sightline.messages import Face

Status = Literal["complete", "incomplete", "refused"]

ENDINGS = (".json", ".csv", ".txt")  # in the order in which the stack writes them

# What whoever uploaded a video can do about it.
MENDS = {
    "empty": "the file has no bytes; copy it anew",
    "not_a_video": "see whether it plays; if it does: ffmpeg -i OLD -c:v libx264 NEW.mp4",
    "no_video_stream": "it has no pictures, only sound; upload the video itself",
    "no_frames": "not one picture of it can be decoded; record or copy it anew",
    "too_large": "cut it into pieces, or deploy with a larger MaxVideoMb",
    "gone": "it was deleted before it was read; upload it again",
    "unsupported": "convert it: ffmpeg -i OLD -c:v libx264 NEW.mp4",
}
INCOMPLETE_MEND = "look at ./run status, mend what it names, and upload the video again"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameCounts:
    """What became of a video's stills."""

    sampled: int
    recognized: int
    rejected: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonSeen:
    """Somebody known, as seen over the whole video; times are seconds from its begin."""

    id: str
    name: str
    record: Mapping[str, wire.Json] | None = None
    first_seen_s: float
    last_seen_s: float
    frames: int
    best_frame: str  # a key in stage-1
    smallest_distance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StillSeen:
    """A still that was recognised."""

    key: str  # in stage-1
    offset_s: float
    faces: tuple[Face, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoResult:
    """What came of one upload. A refused one has little more than its reason."""

    video: str  # the key
    name: str
    status: Status
    job: str
    uploaded_at: datetime
    finished_at: datetime
    reason: str | None = None
    detail: str | None = None
    problems: tuple[str, ...] = ()
    bytes: int | None = None
    sha256: str | None = None
    frames: FrameCounts | None = None
    people: tuple[PersonSeen, ...] = ()
    sightings: tuple[StillSeen, ...] = ()
    timings_ms: Mapping[str, float | None] | None = None

    @property
    def complaint(self) -> str | None:
        """Why it is not complete, and what mends it; None: it is."""
        if self.status == "complete":
            return None
        said = ": ".join(each for each in (self.status, self.reason, self.detail) if each)
        if self.status == "refused":
            mend = MENDS.get(self.reason or "")
        else:
            counts = self.frames
            if counts is not None:
                said += f"; {counts.recognized} of {counts.sampled} stills were recognised"
            mend = INCOMPLETE_MEND
        return f"{said} - {mend}" if mend else said


def read_result(data: bytes) -> VideoResult:
    """Read a `<name>.json`.

    Raises:
        MessageError: It is none.
    """
    try:
        value: Any = json.loads(data)
    except ValueError as err:
        raise MessageError(f"the result is not JSON: {err}", reason="not_json") from err
    return wire.load(VideoResult, value)
