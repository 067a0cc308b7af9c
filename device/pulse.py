"""Which threads make progress: each says so again and again, and how long it may be silent."""

import threading
import time
from collections.abc import Callable


class Pulse:
    """One thread's. It counts from its first beat to its end."""

    def __init__(self, name: str, within_s: float, clock: Callable[[], float]) -> None:
        self.name = name
        self._within_s = within_s
        self._clock = clock
        self._lock = threading.Lock()
        self._beat_s: float | None = None
        self._due_s = 0.0

    def beat(self, rest_s: float = 0.0) -> None:
        """Say that the thread is at work, and that it waits for *rest_s* now, if it does."""
        with self._lock:
            self._beat_s = self._clock()
            self._due_s = self._beat_s + rest_s + self._within_s

    def end(self) -> None:
        """Say that the thread has done its work."""
        with self._lock:
            self._beat_s = None

    def silent_s(self) -> float | None:
        """Tell for how long it has been silent, if that is longer than it may be."""
        with self._lock:
            now_s = self._clock()
            return None if self._beat_s is None or now_s <= self._due_s else now_s - self._beat_s


class Pulses:
    """Those of all threads that are watched. Safe from any thread."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._pulses: list[Pulse] = []

    def of(self, name: str, *, within_s: float) -> Pulse:
        """Watch another thread, which says something each *within_s* at least."""
        pulse = Pulse(name, within_s, self._clock)
        with self._lock:
            self._pulses.append(pulse)
        return pulse

    def silent(self) -> dict[str, float]:
        """Give the threads that are silent for too long, and for how many seconds they are."""
        with self._lock:
            pulses = list(self._pulses)
        found = {pulse.name: pulse.silent_s() for pulse in pulses}
        return {name: seconds for name, seconds in found.items() if seconds is not None}
