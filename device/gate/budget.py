"""A share of the processor that something may take."""


class Budget:
    """Lets something run no oftener than its measured cost and its share allow."""

    def __init__(self, share: float) -> None:
        """Allow *share*, over 0 and at most 1, of one core."""
        self._share = share
        self._free_s = float("-inf")

    @property
    def free_s(self) -> float:
        """When it may run again."""
        return self._free_s

    def allows(self, at_s: float) -> bool:
        """Tell whether it may run now."""
        return at_s >= self._free_s

    def spent(self, at_s: float, cost_s: float) -> None:
        """Note that a run begun at *at_s* took *cost_s* of the processor."""
        self._free_s = at_s + max(0.0, cost_s) / self._share
