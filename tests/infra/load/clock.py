"""A time that passes when somebody waits, and what happens meanwhile."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import UTC, datetime, timedelta
from typing import Any

BEGIN = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


class FakeClock:
    """See `infra.load.clock.Clock`."""

    def __init__(self) -> None:
        self.at_s = 100.0
        self._due: list[tuple[float, Callable[[], Any]]] = []

    def now_s(self) -> float:
        return self.at_s

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.at_s)

    def after(self, seconds: float, happens: Callable[[], Any]) -> None:
        self._due.append((self.at_s + seconds, happens))

    def wait(self, seconds: float) -> None:
        end_s = self.at_s + seconds
        while due := sorted((each for each in self._due if each[0] <= end_s), key=lambda e: e[0]):
            self._due.remove(due[0])
            self.at_s = max(self.at_s, due[0][0])
            due[0][1]()
        self.at_s = end_s


class Inline(Executor):
    """Does at once what it is given."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future
