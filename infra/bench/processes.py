"""What processes hold and take, while something else is measured."""

import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

import psutil

_LOOK_S = 0.25


class Watch:
    """Looks at the processes of each part again and again, from `with` to its end.

    Attributes:
        most_mb: The most memory that one process of a part held.
        most_processes: The most processes of a part there were at once.
    """

    def __init__(self, pids: Callable[[], Mapping[str, Sequence[int]]]) -> None:
        self._pids = pids
        self._cpu_s: dict[tuple[str, int], tuple[float, float]] = {}  # at first, and at last
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self.most_mb: dict[str, float] = {}
        self.most_processes: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._look(is_begin=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._look()

    @property
    def cpu_s(self) -> Mapping[str, float]:
        """The processor time that each part took since the begin, in seconds."""
        names = {name for name, _ in self._cpu_s}
        return {
            name: round(sum(b - a for (n, _), (a, b) in self._cpu_s.items() if n == name), 1)
            for name in sorted(names)
        }

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_S):
            self._look()

    def _look(self, *, is_begin: bool = False) -> None:
        for name, pids in self._pids().items():
            alive = 0
            for pid in pids:
                try:
                    process = psutil.Process(pid)
                    resident, took = process.memory_info().rss, process.cpu_times()
                except psutil.Error:  # it ended in this moment
                    continue
                alive += 1
                self.most_mb[name] = max(self.most_mb.get(name, 0.0), round(resident / 1e6, 1))
                now_s = took.user + took.system
                first_s, _ = self._cpu_s.get((name, pid), (now_s if is_begin else 0.0, 0.0))
                self._cpu_s[name, pid] = first_s, now_s
            self.most_processes[name] = max(self.most_processes.get(name, 0), alive)
