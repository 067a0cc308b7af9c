"""When a function's next worker may be started: a function that cannot start must not spin."""

import json
import logging
import threading
import time
from pathlib import Path

from infra.local.lambda_service.invocation import Outcome

_log = logging.getLogger(__name__)
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0


class Starts:
    """Counts a function's starts, and puts growing pauses between failed ones; for threads."""

    def __init__(self, name: str, log_path: Path) -> None:
        self._name = name
        self._log_path = log_path
        self._lock = threading.Lock()
        self._failures = 0
        self.count = 0
        self.not_before_s = 0.0  # monotonic
        self.failure: Outcome | None = None

    @property
    def error(self) -> str | None:
        """Why the last start failed; None if it did not."""
        return None if self.failure is None else _text(self.failure)

    def begun(self) -> None:
        """A process was started."""
        with self._lock:
            self.count += 1

    def succeeded(self) -> None:
        """It has loaded its handler."""
        with self._lock:
            self._failures, self.not_before_s, self.failure = 0, 0.0, None

    def failed(self, why: Outcome) -> None:
        """It has not."""
        with self._lock:
            pause_s = min(FIRST_PAUSE_S * 2.0**self._failures, LONGEST_PAUSE_S)
            self._failures += 1
            self.not_before_s = time.monotonic() + pause_s
            self.failure = why
        _log.error(
            "function %s cannot start: %s (more in %s; next try in %.1f s at the earliest)",
            *(self._name, _text(why), self._log_path, pause_s),
        )


def _text(outcome: Outcome) -> str:
    try:
        error = json.loads(outcome.payload)
        return f"{error['errorType']}: {error['errorMessage']}"[:500]
    except (ValueError, TypeError, KeyError, RecursionError):
        return "it does not say why"
