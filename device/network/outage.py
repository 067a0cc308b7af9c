"""Why there is no connection, or was none until a moment ago."""

import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

TOLD_S = 600.0  # after the end: so that the next status, which needs the connection, has it


class Outage:
    """Logs each reason once, not at each of many attempts. Safe from any thread."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._why: str | None = None
        self._since_s = 0.0
        self._last: tuple[str, float, float] | None = None  # why, how long, its end

    def fail(self, why: str) -> None:
        """Note why it is down."""
        with self._lock:
            if why != self._why:
                log.warning("%s (trying again)", why)
            if self._why is None:
                self._since_s = self._clock()
            self._why = why

    def over(self, where: str) -> None:
        """Note that it stands (again)."""
        with self._lock:
            if self._why is None:
                return
            now_s = self._clock()
            log.warning("connected to %s again, after %.0f s", where, now_s - self._since_s)
            self._last = (self._why, now_s - self._since_s, now_s)
            self._why = None

    def trouble(self) -> str | None:
        """Say why it is down, or why it was until lately; None: it stands."""
        with self._lock:
            if self._why is not None:
                return self._why
            if self._last is None or self._clock() - self._last[2] > TOLD_S:
                return None
            why, took_s, _ = self._last
            return f"was offline for {took_s:.0f} s: {why}"
