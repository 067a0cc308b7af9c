"""A cloud that answers nobody, though the broker takes what is sent to it."""

import logging
import math
import threading
import time
from collections.abc import Callable

from device.network.backoff import Backoff

log = logging.getLogger(__name__)

MOST_S = 60.0  # between two tries
SEVERAL = 2  # frames that nobody answers; one alone may be odd itself


class Silence:
    """Whether it lasts, and when to try again: one frame, the newest, after pauses that grow.

    It begins with the second frame that was sent as often as may be while no other was answered,
    and ends with any answer. Nothing is lost meanwhile: frames wait in the spool. Safe from any
    thread.
    """

    def __init__(
        self, *, pauses: Backoff | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pauses = pauses or Backoff(first_s=1.0, most_s=MOST_S)
        self._clock = clock
        self._lock = threading.Lock()
        self._since_s: float | None = None
        self._unheard: set[str] = set()  # frames, since the last answer
        self._try_at_s = -math.inf
        self._most_s = math.inf

    @property
    def lasts(self) -> bool:
        """Whether nobody is answered."""
        with self._lock:
            return self._since_s is not None

    def unanswered(self, frame_id: str, sent_s: float, now_s: float) -> None:
        """Note a frame, sent at *sent_s*, that nobody answered, nor any other since."""
        with self._lock:
            if len(self._unheard) < SEVERAL:
                self._unheard.add(frame_id)
            if len(self._unheard) < SEVERAL:
                return
            if sent_s < self._try_at_s:
                return  # it went before the pause did, and tells no more than the ones before it
            if self._since_s is None:
                self._since_s = sent_s
                log.warning(
                    "nobody answers; is the cloud's side running? Frames wait here, and are sent "
                    "again at growing intervals"
                )
            self._try_at_s = now_s + min(self._most_s, self._pauses.failed())

    def over(self) -> None:
        """Note that somebody was answered."""
        with self._lock:
            self._unheard.clear()
            if self._since_s is None:
                return
            log.warning("answers come again, after %.0f s", self._clock() - self._since_s)
            self._since_s, self._try_at_s = None, -math.inf
            self._pauses.succeeded()

    def may_try(self) -> bool:
        """Tell whether it is time to send a frame."""
        with self._lock:
            return self._clock() >= self._try_at_s

    def hurry(self, most_s: float = math.inf) -> None:
        """Have it tried now, and then after no more than *most_s*: something has changed."""
        with self._lock:
            self._most_s = min(self._most_s, most_s)
            self._try_at_s = -math.inf
            self._pauses.succeeded()

    def trouble(self) -> str | None:
        """Say for how long nobody has been answered; None: somebody was."""
        with self._lock:
            if self._since_s is None:
                return None
            return (
                f"nobody has answered for {self._clock() - self._since_s:.0f} s; "
                "is the cloud's side running?"
            )
