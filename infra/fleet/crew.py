"""The processes that a fleet's agents run in."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import psutil

from infra.fleet.duty import Duty
from infra.fleet.events import Event, read
from infra.packaging import PROJECT
from sightline.errors import ConfigError

_LOADED_S = 120.0
_STOP_S = 20.0


class Crew:
    """Runs from `__enter__` to `__exit__`, which leaves no process behind."""

    def __init__(
        self,
        duties: Sequence[Duty],
        folder: Path,
        *,
        processes: int,
        note: Callable[[Event], None],
    ) -> None:
        """Share *duties* out among so many processes; each event is told to *note*, by threads."""
        self._shares = [share for i in range(processes) if (share := duties[i::processes])]
        self._folder = folder
        self._note = note
        self._ready = threading.Semaphore(0)
        self._processes: list[subprocess.Popen[str]] = []
        self._readers: list[threading.Thread] = []
        self._logs: list[IO[bytes]] = []
        self._ended = 0
        self._changed = threading.Condition()
        self.most_bytes = 0  # resident, in all processes together, as far as was looked
        self.cpu_s = 0.0

    def __enter__(self) -> Self:
        """Start the processes, and wait until they have loaded what they need.

        Raises:
            ConfigError: One of them ends instead; the text names its log.
        """
        try:
            for number, share in enumerate(self._shares):
                self._start(number, share)
            for number in range(len(self._processes)):
                if not self._ready.acquire(timeout=_LOADED_S):
                    raise ConfigError(
                        f"a process of agents does not start; see {self._log(number)}"
                    )
            self._check()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for process in self._processes:
            if process.stdin is not None and not process.stdin.closed:
                process.stdin.close()  # which tells it to end
        for process in self._processes:
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for reader in self._readers:
            reader.join()
        for process in self._processes:
            if process.stdout is not None:
                process.stdout.close()
        for log in self._logs:
            log.close()

    def begin(self, begin_s: float, finish_s: float, give_up_s: float) -> None:
        """Let the agents begin, finish and give up at these times (monotonic)."""
        for process in self._processes:
            assert process.stdin is not None  # noqa: S101
            process.stdin.write(f"{begin_s} {finish_s} {give_up_s}\n")
            process.stdin.flush()

    def wait(self, timeout_s: float) -> bool:
        """Wait until all have ended; False if they have not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._ended == len(self._processes), timeout_s)

    def measure(self) -> None:
        """Look at memory and processor time now."""
        size, cpu_s = 0, 0.0
        for process in self._processes:
            try:
                seen = psutil.Process(process.pid)
                size += seen.memory_info().rss
                times = seen.cpu_times()
            except psutil.Error:  # it has ended
                continue
            cpu_s += times.user + times.system
        self.most_bytes, self.cpu_s = max(self.most_bytes, size), max(self.cpu_s, cpu_s)

    def _start(self, number: int, share: Sequence[Duty]) -> None:
        duties = self._folder / f"duties-{number}.json"
        duties.write_text(json.dumps([asdict(each) for each in share]))
        log = self._log(number).open("wb")
        self._logs.append(log)
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.fleet.worker", str(duties)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            start_new_session=True,  # Ctrl-C is ours to pass on
        )
        self._processes.append(process)
        reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        self._readers.append(reader)
        reader.start()

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None  # noqa: S101
        for line in process.stdout:
            if line == "ready\n":
                self._ready.release()
            elif line.endswith("\n"):  # else it was killed in the middle of it
                self._note(read(line))
        with self._changed:
            self._ended += 1
            self._changed.notify_all()
        self._ready.release()  # nobody is to wait for one that has ended

    def _check(self) -> None:
        for number, process in enumerate(self._processes):
            if process.poll() is not None:
                raise ConfigError(f"a process of agents does not start; see {self._log(number)}")

    def _log(self, number: int) -> Path:
        return self._folder / f"agents-{number}.log"
