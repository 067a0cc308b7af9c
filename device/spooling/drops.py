"""Frames that were dropped: counted each, and told of once a burst."""

import logging
import threading
import time
from collections.abc import Callable, Collection

from device.journal import Journal
from device.pending import Pending

log = logging.getLogger(__name__)

QUIET_S = 60.0  # without a drop, and the burst is over


class Drops:
    """Safe from any thread."""

    def __init__(
        self, pending: Pending, journal: Journal, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Count in *journal*, and have *pending* wait no longer for what is dropped."""
        self._pending = pending
        self._journal = journal
        self._clock = clock
        self._lock = threading.Lock()
        self._burst = 0  # frames so far
        self._first_s = self._last_s = 0.0

    def note(self, dropped: Collection[str]) -> None:
        """Note the ids of dropped frames; none is fine, and lets a burst come to its end."""
        for frame_id in dropped:
            self._pending.forget(frame_id)
        if dropped:
            self._journal.count("dropped", len(dropped))
        now_s = self._clock()
        with self._lock:
            if dropped and not self._burst:
                self._first_s = now_s
                log.warning(
                    "dropping frames, the oldest first: they do not go as fast as they come, and "
                    "the spool is full or they are too old"
                )
            if dropped:
                self._burst += len(dropped)
                self._last_s = now_s
            elif self._burst and now_s - self._last_s >= QUIET_S:
                self._end()

    def close(self) -> None:
        """Tell of what is not told yet."""
        with self._lock:
            if self._burst:
                self._end()

    def _end(self) -> None:
        took_s = self._last_s - self._first_s
        log.warning("dropped %d frames within %.0f s", self._burst, took_s)
        self._burst = 0
