"""A spool that tells what becomes of each frame in it."""

import math
import time
from collections.abc import Callable, Iterable

from device.spooling.spool import ALL, Spool, SpooledFrame, State
from infra.fleet.events import FULL, TOO_OLD, Emit, Event, What, Why


class WatchedSpool:
    """A `Spool` that tells what the one behind it has done."""

    def __init__(
        self,
        spool: Spool,
        device: str,
        emit: Emit,
        *,
        max_age_s: float = math.inf,
        number_of: Callable[[bytes], int | None] = lambda _: None,
    ) -> None:
        """Tell *emit*.

        Args:
            max_age_s: The spool's own bound: what is dropped and older was dropped for that.
            number_of: Reads the number in a frame's JPEG, which is told, too.
        """
        self._spool = spool
        self._device = device
        self._emit = emit
        self._max_age_s = max_age_s
        self._number_of = number_of
        self._captured_s: dict[str, float] = {}  # of those that are not done with

    def put(self, frame: SpooledFrame) -> tuple[str, ...]:
        """See `Spool.put`."""
        self._captured_s[frame.frame_id] = frame.captured_s
        dropped = self._spool.put(frame)
        number = self._number_of(frame.jpeg)
        self._emit(
            Event(
                what="captured",
                device=self._device,
                at_s=frame.captured_s,
                frame=frame.frame_id,
                number=number,
            )
        )
        self._tell("dropped", dropped)
        return dropped

    def take(self, timeout_s: float, since_s: float = ALL) -> SpooledFrame | None:
        """See `Spool.take`."""
        return self._spool.take(timeout_s, since_s)

    def mark(self, frame_id: str, state: State) -> SpooledFrame | None:
        """See `Spool.mark`."""
        frame = self._spool.mark(frame_id, state)
        if state == "answered" and frame is not None:
            self._tell("answered", [frame_id])
        return frame

    def release(self, frame_id: str) -> None:
        """See `Spool.release`."""
        self._spool.release(frame_id)

    def rest(self, frame_id: str, until_s: float) -> None:
        """See `Spool.rest`."""
        self._spool.rest(frame_id, until_s)

    def wake(self) -> None:
        """See `Spool.wake`."""
        self._spool.wake()

    def sweep(self) -> tuple[str, ...]:
        """See `Spool.sweep`."""
        dropped = self._spool.sweep()
        self._tell("dropped", dropped)
        return dropped

    def depth(self) -> int:
        """See `Spool.depth`."""
        return self._spool.depth()

    def answered(self) -> tuple[str, ...]:
        """See `Spool.answered`."""
        return self._spool.answered()

    def dropped_before(self) -> int:
        """See `Spool.dropped_before`."""
        return self._spool.dropped_before()

    def trouble(self) -> str | None:
        """See `Spool.trouble`."""
        return self._spool.trouble()

    def _tell(self, what: What, frame_ids: Iterable[str]) -> None:
        now_s = time.monotonic()
        for frame_id in frame_ids:
            captured_s = self._captured_s.pop(frame_id, math.inf)
            self._emit(
                Event(
                    what=what,
                    device=self._device,
                    at_s=now_s,
                    frame=frame_id,
                    why=self._why(what, now_s - captured_s),
                )
            )

    def _why(self, what: What, age_s: float) -> Why | None:
        if what == "dropped":
            return TOO_OLD if age_s >= self._max_age_s else FULL
        return None
