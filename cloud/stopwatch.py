"""How long each stage of one piece of work took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Sums up seconds by the name of a stage."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def add(self, name: str, seconds: float) -> None:
        """Count *seconds* that somebody else measured."""
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time spent inside."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - started)

    def milliseconds(self) -> dict[str, float]:
        """Return all stages so far, to the tenth of a millisecond, in the order they came."""
        return {name: round(seconds * 1000, 1) for name, seconds in self._seconds.items()}
