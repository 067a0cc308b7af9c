"""The port between capture and uplink: frames on their way, each with how far it has come."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

State = Literal["captured", "uploaded", "published", "answered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledFrame:
    """One frame on its way.

    Attributes:
        jpeg: Empty from `uploaded` on: the bucket has it.
        captured_s: When it was taken, on the monotonic clock of this process.
    """

    frame_id: str
    key: str
    captured_at: datetime
    captured_s: float
    width: int
    height: int
    size: int
    sha256: str
    state: State = "captured"
    encode_ms: float = 0.0
    attempts: int = 0  # references published so far
    jpeg: bytes = field(default=b"", repr=False)


class Spool(Protocol):
    """Frames from capture to answer, bounded: where it is full, the oldest are dropped.

    A frame that was taken is nobody else's until it is released; what is taken is never dropped.
    All methods are safe from any thread. `MemorySpool` forgets with the process; a spool on disk
    gives what was not answered again after a restart.
    """

    def put(self, frame: SpooledFrame) -> tuple[str, ...]:
        """Keep a frame, and give the ids of those that were dropped for it. Never waits."""
        ...

    def take(self, timeout_s: float) -> SpooledFrame | None:
        """Give the newest frame that waits, or None if none comes in time.

        The newest, because a frame of a minute ago tells nobody who is at the door.
        """
        ...

    def mark(self, frame_id: str, state: State) -> None:
        """Record how far a frame has come; an answered one is forgotten, as is its JPEG."""
        ...

    def release(self, frame_id: str) -> None:
        """Let a frame that was taken wait again, in the state that was marked last."""
        ...

    def depth(self) -> int:
        """Count the frames that are not answered yet."""
        ...
