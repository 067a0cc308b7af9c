"""Segments that are synced while the next one is written already.

A card can take seconds to sync, and the queue of frames holds a third of one.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from device.recording.ring import Ring

AT_ONCE = 4  # files; where the disk is slower still, whoever hands over the next one waits


class Finisher:
    """Puts segments into the ring, in a thread of its own and in order. For one thread to use."""

    def __init__(
        self,
        ring: Ring,
        on_finished: Callable[[int], None],
        on_failed: Callable[[int, OSError], None],
    ) -> None:
        """Finish segments of *ring*, and tell of each with how many frames it has, or would have.

        Args:
            on_finished: It is in the ring.
            on_failed: It is lost.
        """
        self._ring = ring
        self._on_finished, self._on_failed = on_finished, on_failed
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="finisher")
        self._begun: deque[Future[None]] = deque()

    def finish(self, segment_id: str, frames: int) -> None:
        """Have a segment, whose file is closed, put into the ring."""
        self._begun.append(self._thread.submit(self._finish, segment_id, frames))
        while len(self._begun) > AT_ONCE or (self._begun and self._begun[0].done()):
            self._begun.popleft().result()

    def close(self) -> None:
        """Wait until all are there."""
        self._thread.shutdown()
        while self._begun:
            self._begun.popleft().result()

    def _finish(self, segment_id: str, frames: int) -> None:
        try:
            self._ring.finish(segment_id)
        except OSError as err:
            self._ring.discard(segment_id)
            self._on_failed(frames, err)
        else:
            self._on_finished(frames)
