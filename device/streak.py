"""A trouble that comes again and again: told of when it begins, counted, and told of at its end."""

import logging
import threading
import time
from collections.abc import Callable

QUIET_S = 60.0  # without another, and the streak is over


class Streak:
    """Logs two warnings a streak, however long it is. Safe from any thread."""

    def __init__(
        self,
        log: logging.Logger,
        at_its_end: str,
        *,
        least: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Warn in *log*.

        Args:
            at_its_end: What is said then, with `%d` for how many and `%.0f` for within how many
                seconds.
            least: Of fewer the first warning has said all.
        """
        self._log = log
        self._at_its_end = at_its_end
        self._least = least
        self._clock = clock
        self._lock = threading.Lock()
        self._count = 0  # so far
        self._first_s = self._last_s = 0.0

    def note(self, text: str, *arguments: object, count: int = 1) -> None:
        """Count *count* more; *text*, with *arguments* for its `%`, is said of a streak's first."""
        with self._lock:
            now_s = self._clock()
            self._end_if_quiet(now_s)
            if not self._count:
                self._first_s = now_s
                self._log.warning(text, *arguments)
            self._count += count
            self._last_s = now_s

    def look(self) -> None:
        """Let it come to its end, if that is due."""
        with self._lock:
            self._end_if_quiet(self._clock())

    def close(self) -> None:
        """Tell of what is not told yet."""
        with self._lock:
            self._end()

    def _end_if_quiet(self, now_s: float) -> None:
        if now_s - self._last_s >= QUIET_S:
            self._end()

    def _end(self) -> None:
        if self._count >= self._least:
            self._log.warning(self._at_its_end, self._count, self._last_s - self._first_s)
        self._count = 0
