"""The sweeper: finishes videos that nobody else does.

A chunk may be lost for good after its last try, or whoever was writing the outputs has died. It
looks at open videos alone, by the index, so that it costs next to nothing while there are none.

A video whose chunks wait behind other videos' makes no progress either, and has not stalled.
"""

import functools
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from cloud.videos.finishing import LEASE_S, Finishing
from cloud.videos.ledger import Ledger
from cloud.videos.video import Video
from sightline.errors import SightlineError, TransportError

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 6 * 3600.0  # behind other videos


class Sweeping:
    """Finishes the videos that nobody else does."""

    def __init__(
        self,
        ledger: Ledger,
        finishing: Finishing,
        *,
        stall_s: float,
        now: Callable[[], datetime],
        lease_s: float = LEASE_S,
    ) -> None:
        """Join the parts.

        Args:
            ledger: Where the videos are.
            finishing: Who finishes one.
            stall_s: After how many seconds without any progress to go without the rest.
            now: The time, with its zone.
            lease_s: After how many seconds whoever finishes a video will not any more.
        """
        self._ledger = ledger
        self._finishing = finishing
        self._stall_s = stall_s
        self._lease_s = lease_s
        self._now = now
        self._waits_s = max(LONGEST_WAIT_S, stall_s)

    def sweep(self) -> None:
        """Look at each open video once; one that cannot be finished does not keep the others.

        Raises:
            TransportError: Some could not be finished; the log says which.
        """
        now, failed = self._now(), 0

        @functools.cache
        def last_served() -> Video | None:
            """Tell what was at work before this sweep; asked only if something looks stalled."""
            return self._ledger.last_served(now - timedelta(seconds=self._stall_s))

        quiet_s = min(self._lease_s, self._stall_s)
        for name in self._ledger.unchanged_since(now - timedelta(seconds=quiet_s)):
            try:
                video = self._ledger.find(name)
                if video is None or not video.is_open:
                    continue
                stalled = self._is_stalled(video, now, last_served)
                is_refused = video.outcome == "refused"
                if stalled and not video.is_whole and not is_refused:
                    log.warning(
                        "the video %s stalled: %d of %d stills are done",
                        ascii(name),
                        video.stills_done,
                        video.stills,
                    )
                if stalled or video.is_whole or is_refused:
                    self._finishing.settle(video, stalled=stalled)
            except SightlineError as err:
                failed += 1
                log.error("the video %s could not be finished: %s", ascii(name), err)
        if failed:
            raise TransportError(f"{failed} videos could not be finished; see the lines above")

    def _is_stalled(
        self, video: Video, now: datetime, last_served: Callable[[], Video | None]
    ) -> bool:
        """Tell whether to wait no longer for *video*."""
        idle_s = (now - video.changed_at).total_seconds()
        if idle_s < self._stall_s:
            return False
        if idle_s >= self._waits_s or video.is_whole:
            return True
        other = last_served()
        if other is None:  # nobody is at work
            return True
        # The queue keeps its order roughly. Who came that much later has overtaken it.
        overtook_s = (other.uploaded_at - video.changed_at).total_seconds()
        return other.outcome == "done" and overtook_s > self._stall_s
