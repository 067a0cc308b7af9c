"""The port between capture and uplink: frames on their way, each with how far it has come."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from sightline.messages import Segment

State = Literal["captured", "uploaded", "published", "answered"]

ALL = -math.inf  # of any age: see `Spool.take`


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledFrame:
    """One frame on its way.

    Attributes:
        jpeg: Empty from `uploaded` on: the bucket has it.
        captured_s: When it was taken, on the monotonic clock of this process; of a frame that is
            `resumed` after the machine was started anew it leaves out the time it was off.
        resumed: An earlier process took it, so how long it has been on its way tells nothing of
            how fast things go.
        this_boot: It was taken since the machine was started, so `captured_s` tells when.
        clock_set: The clock was set when it was taken, as far as was known.
        gate: What the gate saw in it, as the reference says it: `motion`, `faces`.
        segment: Where in the recorded video it is.
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
    resumed: bool = False
    this_boot: bool = True
    clock_set: bool = True
    gate: Mapping[str, float] | None = None
    segment: Segment | None = None
    jpeg: bytes = field(default=b"", repr=False)


class Spool(Protocol):
    """Frames from capture to answer, bounded: where it is full, the oldest are dropped.

    A frame that was taken is nobody else's until it is released; what is taken is never dropped.
    Old and new go by `captured_s`, which no setting of the clock can change. All methods are safe
    from any thread, and none raises: a spool that has trouble keeping frames says so in `trouble`.
    `MemorySpool` forgets with the process; `DiskSpool` gives what was not answered again after a
    restart.
    """

    def put(self, frame: SpooledFrame) -> tuple[str, ...]:
        """Keep a frame, and give the ids of those that were dropped for it.

        It never waits for the network; a spool on a disk waits for the disk.
        """
        ...

    def take(self, timeout_s: float, since_s: float = ALL) -> SpooledFrame | None:
        """Give the newest frame that waits, or None if none comes in time.

        The newest, because a frame of a minute ago tells nobody who is at the door.

        Args:
            timeout_s: How long to wait for one.
            since_s: Frames taken before that, on the clock of `captured_s`, are left to wait.
        """
        ...

    def mark(self, frame_id: str, state: State) -> SpooledFrame | None:
        """Record how far a frame has come; an answered one is forgotten, as is its JPEG.

        That a frame was answered is recorded even if it is not here: see `answered`.

        Returns:
            The frame, without its JPEG, or None: there is none such (any more).
        """
        ...

    def release(self, frame_id: str) -> None:
        """Let a frame that was taken wait again, in the state that was marked last."""
        ...

    def rest(self, frame_id: str, until_s: float) -> None:
        """Let a frame that was taken wait again, and not be taken before *until_s*.

        Args:
            until_s: On the clock of `captured_s`. A spool that is opened anew knows nothing of it.
        """
        ...

    def wake(self) -> None:
        """Let no frame rest any longer."""
        ...

    def sweep(self) -> tuple[str, ...]:
        """Drop what has become too old; give the ids of all that was dropped unasked since last.

        Those that `put` gave are not among them.
        """
        ...

    def depth(self) -> int:
        """Count the frames that are not answered yet."""
        ...

    def answered(self) -> tuple[str, ...]:
        """Give the ids of frames that were answered before this process began, as far as known.

        A second delivery of their results is known by them.
        """
        ...

    def dropped_before(self) -> int:
        """Count the frames that were dropped before this process began, as far as known."""
        ...

    def trouble(self) -> str | None:
        """Say what keeps frames from being kept as they should be; None: nothing."""
        ...
