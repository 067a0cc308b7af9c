"""The port to what makes a file of frames, and what it is given."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Generic, Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)
D = TypeVar("D", contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unit(Generic[T_co]):
    """One frame of a video: an image, or the packet that an encoder made of it.

    Attributes:
        at: When it was taken, in UTC.
        at_s: The same on the monotonic clock.
        size: Bytes in memory.
        form: What all of a segment must have in common, such as the size in pixels.
        key: It needs none before it, so that a segment can begin with it.
    """

    data: T_co
    at: datetime
    at_s: float
    size: int
    form: object = None
    key: bool = True


class Writer(Protocol[D]):
    """One segment's file, while it is written. It raises `OSError` when that cannot go on."""

    def write(self, unit: Unit[D]) -> None:
        """Add a frame."""
        ...

    def close(self, until_s: float | None) -> None:
        """Finish the file: it is whole, and what made it has gone. It waits for no disk.

        Args:
            until_s: For how long the last frame is shown: until the next segment's first.
        """
        ...

    def discard(self) -> None:
        """Let go of a file that cannot be finished. It never raises."""
        ...


class OpenWriter(Protocol[D]):
    """Begins a file."""

    def __call__(self, path: Path, first: Unit[D]) -> Writer[D]:
        """Begin *path*, which is not there yet, for a segment that begins with *first*.

        Raises:
            OSError: It cannot be written.
        """
        ...
