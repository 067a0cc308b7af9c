"""How long to wait before trying again."""

import random
import threading
from collections.abc import Callable


class Backoff:
    """Exponential waits with jitter, so that many devices do not come back at once.

    Safe from any thread: those that share one wait together while the service is in trouble.
    Source: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
    """

    def __init__(
        self,
        *,
        first_s: float = 0.5,
        most_s: float = 30.0,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._chance = chance
        self._failures = 0
        self._woken = threading.Condition()
        self._closed = False

    def failed(self) -> float:
        """Count a failure and give the seconds to wait now: half of it fixed, half by chance."""
        with self._woken:
            self._failures += 1
            ceiling_s = min(self._most_s, self._first_s * 2.0 ** min(self._failures - 1, 30))
            return ceiling_s * (0.5 + 0.5 * self._chance())

    def wait(self, seconds: float) -> None:
        """Wait so long, or until `wake` or `close`."""
        with self._woken:
            if not self._closed:
                self._woken.wait(seconds)

    def succeeded(self) -> None:
        """Begin anew: the service answers."""
        with self._woken:
            self._failures = 0

    def wake(self) -> None:
        """Have all who wait try again at once: the network has come back."""
        with self._woken:
            self._failures = 0
            self._woken.notify_all()

    def close(self) -> None:
        """Have nobody wait any more."""
        with self._woken:
            self._closed = True
            self._woken.notify_all()
