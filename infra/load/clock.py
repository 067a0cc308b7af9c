"""Time, as a parameter."""

import time
from threading import Event
from typing import Protocol


class Clock(Protocol):
    """Tells the time, and lets it pass."""

    def now_s(self) -> float:
        """Seconds, from any begin on."""
        ...

    def wait(self, seconds: float) -> None:
        """Let so much time pass."""
        ...


class RealClock:
    """See `Clock`; Ctrl-C ends a wait."""

    def now_s(self) -> float:
        """See `Clock.now_s`."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """See `Clock.wait`."""
        Event().wait(seconds)
