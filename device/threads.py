"""An agent's threads: each with its name, and none dies unheard."""

import threading
import time
from collections.abc import Callable, Iterable


class Threads:
    """Starts threads, and keeps what one of them failed with first.

    Attributes:
        failed: Set with the first failure.
        failure: What it was.
    """

    def __init__(self) -> None:
        self.failed = threading.Event()
        self.failure: BaseException | None = None

    def start(self, name: str, work: Callable[[], None]) -> threading.Thread:
        """Do *work* in a thread that the process does not wait for."""
        thread = threading.Thread(target=self._guard, args=(work,), name=name, daemon=True)
        thread.start()
        return thread

    @staticmethod
    def join(threads: Iterable[threading.Thread], within_s: float) -> None:
        """Wait for *threads*, no longer than that for all of them together."""
        until_s = time.monotonic() + within_s
        for thread in threads:
            thread.join(max(0.0, until_s - time.monotonic()))

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as err:  # whoever looks at `failure` raises it
            if self.failure is None:
                self.failure = err
            self.failed.set()
