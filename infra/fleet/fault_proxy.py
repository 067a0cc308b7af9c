"""A TCP proxy on loopback whose network fails as told: latency, loss, outage, reset, half-open."""

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Coroutine, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from infra.fleet.line import Address, Line, LineStatistics
from infra.fleet.weather import CALM, Forecast, Weather

T = TypeVar("T")
_ANSWER_S = 10.0


class ProxiedLine:
    """The line of one device, for any thread."""

    def __init__(self, proxy: "FaultProxy", line: Line) -> None:
        self._proxy = proxy
        self._line = line

    @property
    def ports(self) -> Mapping[str, int]:
        """Where to connect on loopback, by the names of what is behind; they stay the same."""
        return self._line.ports

    def become(self, weather: Weather = CALM) -> None:
        """Have that weather from now on, until it is changed again."""
        self._proxy.await_(self._line.become(weather))

    def follow(self, forecast: Forecast, begin_s: float) -> None:
        """Have the weather of *forecast*, which begins at *begin_s* of the monotonic clock."""
        self._proxy.await_(self._line.follow(forecast, begin_s))

    def history(self) -> tuple[tuple[float, Weather], ...]:
        """Tell the weather so far: since when (monotonic), and which."""
        return tuple(self._line.history)

    def statistics(self) -> LineStatistics:
        """Tell what went through, and what did not."""
        return self._line.statistics


class FaultProxy:
    """Open from `__enter__` to `__exit__`; works in a thread of its own. Threads: any.

    The same seed draws the same latencies and losses for the same traffic.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self._seed = seed
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._work, name="fault-proxy", daemon=True)
        self._lines: list[Line] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        try:
            self.await_(self._close())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_ANSWER_S)
            self._loop.close()

    def line(self, upstreams: Mapping[str, Address], weather: Weather = CALM) -> ProxiedLine:
        """Open a line to *upstreams*, each by a name and at a free port of its own.

        Raises:
            ConfigError: There is no port left.
        """
        line = Line(upstreams, random.Random(f"{self._seed}/{len(self._lines)}"), time.monotonic)  # noqa: S311
        self.await_(line.open(weather))
        self._lines.append(line)
        return ProxiedLine(self, line)

    def await_(self, work: Coroutine[Any, Any, T]) -> T:
        """Have the proxy's thread do *work*, and wait for that."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_ANSWER_S)

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _close(self) -> None:
        for line in self._lines:
            await line.close()
        await asyncio.sleep(0.01)  # what was being accepted comes to its door, which is shut
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        for task in left:
            with contextlib.suppress(asyncio.CancelledError):
                await task
