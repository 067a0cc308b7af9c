"""How much of the sending may go to frames of long ago, so that new ones do not wait for them.

After an outage the newest frame goes first, but one that comes while older ones are being sent
would find the uploads busy, the network full and the cloud at work. So frames that are not fresh
have a share: of the uploads and of the places of frames in flight that many, one at least, and of
the time as much: after each they pause, the longer the longer it took. On a slow network they take
no more of it than on a fast one.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from device.pending import Pending
from device.spooling.spool import ALL, SpooledFrame

FRESH_S = 10.0  # a frame that has waited longer belongs to the backlog


class Backlog:
    """Says from when on frames may be taken. Safe from any thread."""

    def __init__(
        self,
        pending: Pending,
        *,
        share: float,
        uploads: int,
        places: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Let the backlog have *share*, up to 1, of the *uploads* and *places* there are."""
        self._pending = pending
        self._share = share
        self._uploads = max(1, int(uploads * share))
        self._places = max(1, int(places * share))
        self._clock = clock
        self._lock = threading.Lock()
        self._sending = 0
        self._next_s = ALL

    def since_s(self) -> float:
        """Tell how old a frame may be now to be sent: taken then, or later."""
        now_s = self._clock()
        fresh_s = now_s - FRESH_S
        with self._lock:
            if self._share >= 1:
                return ALL
            if self._sending >= self._uploads or now_s < self._next_s:
                return fresh_s
        return fresh_s if self._pending.older(fresh_s) >= self._places else ALL

    @contextlib.contextmanager
    def sending(self, frame: SpooledFrame) -> Iterator[None]:
        """Count *frame* as being sent, if it belongs to the backlog."""
        begun_s = self._clock()
        if frame.captured_s >= begun_s - FRESH_S:
            yield
            return
        with self._lock:
            self._sending += 1
        try:
            yield
        finally:
            now_s = self._clock()
            with self._lock:
                self._sending -= 1
                self._next_s = now_s + (now_s - begun_s) * (1 / self._share - 1)

    def lift(self) -> None:
        """Let the backlog have everything: there will be no new frames."""
        with self._lock:
            self._share = 1.0
