"""Frames between whoever takes them and the thread that writes them, bounded in bytes."""

import logging
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from device.recording.segments import Begun
from device.recording.writer import Unit

log = logging.getLogger(__name__)

T = TypeVar("T")


class UnitQueue(Generic[T]):
    """Units in their order, each with its segment. Threads take turns.

    One that finds it full is left out, and so are those that build upon it, up to the next key
    frame. That is told of once a burst.
    """

    def __init__(self, most_bytes: int, on_left_out: Callable[[], None]) -> None:
        """Hold so many bytes; *on_left_out* hears of each unit that is left out."""
        self._most_bytes = most_bytes
        self._on_left_out = on_left_out
        self._waiting: deque[tuple[Begun, Unit[T]]] = deque()
        self._bytes = 0
        self._left_out = 0  # in this burst
        self._broken = False  # what comes builds upon what was left out

    def __len__(self) -> int:
        return len(self._waiting)

    def fits(self, unit: Unit[T]) -> bool:
        """Tell whether there is room for *unit*; if not, it is left out."""
        if (unit.key or not self._broken) and (
            not self._waiting or self._bytes + unit.size <= self._most_bytes
        ):
            return True
        if not self._left_out:
            log.warning("encoder or disk do not keep up: frames are left out of the video")
        self._broken = True
        self._left_out += 1
        self._on_left_out()
        return False

    def put(self, begun: Begun, unit: Unit[T]) -> None:
        """Add a unit that fits."""
        self._broken = False
        self._waiting.append((begun, unit))
        self._bytes += unit.size

    def take(self) -> tuple[Begun, Unit[T]]:
        """Take the oldest; there must be one."""
        begun, unit = self._waiting.popleft()
        self._bytes -= unit.size
        if not self._waiting and self._left_out:
            log.warning("%d frames were left out of the video", self._left_out)
            self._left_out = 0
        return begun, unit
