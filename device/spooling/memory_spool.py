"""A spool in memory: what is in it is lost with the process."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from device.spooling.spool import ALL, SpooledFrame, State


class MemorySpool:
    """See `device.spooling.spool.Spool`."""

    def __init__(
        self,
        *,
        max_frames: int = 120,
        max_bytes: int = 64_000_000,
        max_age_s: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Hold at most so many waiting frames, and so many bytes of JPEG, and none older."""
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: dict[str, SpooledFrame] = {}  # by id
        self._taken: dict[str, SpooledFrame] = {}
        self._resting: dict[str, float] = {}  # of those that wait: until when
        self._size = 0  # bytes of the JPEGs that wait

    def put(self, frame: SpooledFrame) -> tuple[str, ...]:
        """See `Spool.put`."""
        with self._changed:
            self._wait(frame)
            dropped = self._make_room()
            self._changed.notify_all()
            return dropped

    def take(self, timeout_s: float, since_s: float = ALL) -> SpooledFrame | None:
        """See `Spool.take`."""
        until_s = time.monotonic() + timeout_s
        with self._changed:
            while (frame := self._newest()) is None or frame.captured_s < since_s:
                if not self._changed.wait(max(0.0, until_s - time.monotonic())):
                    return None
            self._taken[frame.frame_id] = frame
            self._remove(frame.frame_id)
            return frame

    def mark(self, frame_id: str, state: State) -> SpooledFrame | None:
        """See `Spool.mark`."""
        with self._changed:
            waits = frame_id in self._waiting
            frame = self._waiting.get(frame_id) or self._taken.get(frame_id)
            if frame is None:
                return None
            marked = replace(
                frame,
                state=state,
                jpeg=frame.jpeg if state == "captured" else b"",
                attempts=frame.attempts + (state == "published"),
            )
            self._forget(frame_id)
            if state != "answered" and waits:
                self._wait(marked)
            elif state != "answered":
                self._taken[frame_id] = marked
            return replace(marked, jpeg=b"")

    def release(self, frame_id: str) -> None:
        """See `Spool.release`."""
        with self._changed:
            if frame_id in self._taken:
                self._wait(self._taken.pop(frame_id))
                self._changed.notify_all()

    def rest(self, frame_id: str, until_s: float) -> None:
        """See `Spool.rest`."""
        with self._changed:
            if frame_id in self._taken:
                self._wait(self._taken.pop(frame_id))
                self._resting[frame_id] = until_s

    def wake(self) -> None:
        """See `Spool.wake`."""
        with self._changed:
            self._resting.clear()
            self._changed.notify_all()

    def forget(self, frame_id: str) -> None:
        """Drop a frame; the caller counts it."""
        with self._changed:
            self._forget(frame_id)

    def sweep(self) -> tuple[str, ...]:
        """See `Spool.sweep`."""
        if self._max_age_s == math.inf:
            return ()
        oldest_s = self._clock() - self._max_age_s
        with self._changed:
            old = [each.frame_id for each in self._waiting.values() if each.captured_s < oldest_s]
            for frame_id in old:
                self._remove(frame_id)
            return tuple(old)

    def depth(self) -> int:
        """See `Spool.depth`."""
        with self._changed:
            return len(self._waiting) + len(self._taken)

    def answered(self) -> tuple[str, ...]:
        """See `Spool.answered`."""
        return ()

    def dropped_before(self) -> int:
        """See `Spool.dropped_before`."""
        return 0

    def trouble(self) -> str | None:
        """See `Spool.trouble`."""
        return None

    def adopt(self, frame: SpooledFrame) -> None:
        """Keep a frame that was taken elsewhere, as one that was taken here."""
        with self._changed:
            self._taken[frame.frame_id] = frame

    def newest_s(self) -> float:
        """Tell when the newest frame that waits was taken; minus infinity if none does."""
        with self._changed:
            frame = self._newest()
            return -math.inf if frame is None else frame.captured_s

    def _newest(self) -> SpooledFrame | None:
        now_s = self._clock() if self._resting else 0.0
        wide_awake = (
            each
            for each in self._waiting.values()
            if self._resting.get(each.frame_id, -math.inf) <= now_s
        )
        return max(wide_awake, key=_order, default=None)

    def _wait(self, frame: SpooledFrame) -> None:
        self._remove(frame.frame_id)
        self._waiting[frame.frame_id] = frame
        self._size += len(frame.jpeg)

    def _remove(self, frame_id: str) -> None:
        frame = self._waiting.pop(frame_id, None)
        self._resting.pop(frame_id, None)
        self._size -= 0 if frame is None else len(frame.jpeg)

    def _forget(self, frame_id: str) -> None:
        self._remove(frame_id)
        self._taken.pop(frame_id, None)

    def _make_room(self) -> tuple[str, ...]:
        """Drop the oldest waiting frames until both bounds hold; the newest always stays."""
        dropped = []
        while len(self._waiting) > 1 and not self._fits():
            oldest = min(self._waiting.values(), key=_order)
            self._remove(oldest.frame_id)
            dropped.append(oldest.frame_id)
        return tuple(dropped)

    def _fits(self) -> bool:
        return len(self._waiting) <= self._max_frames and self._size <= self._max_bytes


def _order(frame: SpooledFrame) -> tuple[float, str]:
    return frame.captured_s, frame.frame_id
