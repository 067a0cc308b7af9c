"""Frames that were dropped: counted each, and told of once a streak."""

import logging
import time
from collections.abc import Callable, Collection

from device.journal import Journal
from device.pending import Pending
from device.streak import Streak

log = logging.getLogger(__name__)


class Drops:
    """Safe from any thread."""

    def __init__(
        self, pending: Pending, journal: Journal, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Count in *journal*, and have *pending* wait no longer for what is dropped."""
        self._pending = pending
        self._journal = journal
        self._streak = Streak(log, "dropped %d frames within %.0f s", clock=clock)

    def note(self, dropped: Collection[str]) -> None:
        """Note the ids of dropped frames; none is fine, and lets a streak come to its end."""
        for frame_id in dropped:
            self._pending.forget(frame_id)
        if not dropped:
            self._streak.look()
            return
        self._journal.count("dropped", len(dropped))
        self._streak.note(
            "dropping frames, the oldest first: they do not go as fast as they come, and the "
            "spool is full or they are too old",
            count=len(dropped),
        )

    def close(self) -> None:
        """Tell of what is not told yet."""
        self._streak.close()
