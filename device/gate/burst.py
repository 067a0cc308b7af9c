"""The best of a few frames of one moment, and at most one of them each interval."""

import math
from typing import Generic, TypeVar

T = TypeVar("T")

_EARLY_S = 0.01  # a camera's beat is not exact: a frame so little early is on time
ENOUGH = 0.999  # of a score: there is nothing better to wait for


class Burst(Generic[T]):
    """Collects candidates and gives the best.

    The first candidate opens a burst. It ends `burst_s` later, or at once with a candidate that is
    as good as is of use, or if no other can come in time; then its best is given. Those that are
    given are `interval_s` apart at least, both when they were taken and when they are given. So
    nobody's first answer waits for longer than `burst_s`. What is sent besides takes its turn, too.
    """

    def __init__(self, *, interval_s: float, burst_s: float) -> None:
        self._interval_s = interval_s
        self._burst_s = min(burst_s, interval_s)
        self._opened_s = -math.inf
        self._best: tuple[float, T] | None = None
        self._best_s = -math.inf  # when the best was taken: of this burst, or of the last one
        self._given_s = -math.inf

    @property
    def is_open(self) -> bool:
        """Whether there is a candidate to be given."""
        return self._best is not None

    def wants(self, at_s: float) -> bool:
        """Tell whether a candidate would be taken now."""
        return self.is_open or at_s >= self._best_s + self._interval_s - _EARLY_S

    def offer(self, candidate: T, score: float, at_s: float) -> None:
        """Take a candidate, which must be wanted."""
        if self._best is None:
            self._opened_s = at_s
        if self._best is None or score > self._best[0]:
            self._best, self._best_s = (score, candidate), at_s

    def due(self, at_s: float, *, next_s: float = -math.inf) -> T | None:
        """Give the best, once the burst has ended.

        Args:
            next_s: No candidate can come before.
        """
        if self._best is None or at_s < self._given_s + self._interval_s - _EARLY_S:
            return None
        ends_s = self._opened_s + self._burst_s
        if self._best[0] < ENOUGH and at_s < ends_s and next_s < ends_s:
            return None
        self._given_s = at_s
        return self.end()

    def given(self, at_s: float) -> None:
        """Count one that was no candidate as given, while no burst is open."""
        self._best_s = self._given_s = at_s

    def end(self) -> T | None:
        """Give the best so far, now."""
        best, self._best = self._best, None
        return None if best is None else best[1]
