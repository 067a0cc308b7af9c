"""A command of the operator's, run for each new result.

A hook that hangs or fails does so with each result, for ever: so that is told of once a streak.
"""

import contextlib
import json
import logging
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from device.answers.results import Outcome
from device.streak import Streak
from sightline.errors import ConfigError
from sightline.messages import FrameRecognized

log = logging.getLogger(__name__)

WAITING = 100  # results; when the hook is slower than the camera, the rest is not handed to it

KILLED_S = 1.0  # for the system to end what was killed


class Hook:
    """Runs a command with the result's JSON on its standard input.

    Results never wait for it: a few processes run at once, some results wait, and what comes
    beyond that is not handed on. What it prints goes to standard error.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        timeout_s: float = 10.0,
        processes: int = 2,
        stop_timeout_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare *command*: a program and its arguments. No shell reads it.

        Args:
            stop_timeout_s: What runs or waits at the end has so long in all.
            clock: Tells when a streak of failures is over.

        Raises:
            ConfigError: There is no such program.
        """
        if shutil.which(command[0]) is None:
            raise ConfigError(
                f"[results] hook: there is no program {command[0]!r} that may be run; "
                "give its whole path, and `chmod +x` it"
            )
        self._command = list(command)
        self._timeout_s = timeout_s
        self._stop_timeout_s = stop_timeout_s
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._lock = threading.Lock()  # for the two that follow
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False
        self._slow = Streak(
            log, "%d results were not handed to the hook within %.0f s", least=2, clock=clock
        )
        self._failing = Streak(log, "the hook failed %d times within %.0f s", least=2, clock=clock)
        self._threads = [
            threading.Thread(target=self._run, name=f"hook-{i}", daemon=True)
            for i in range(processes)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Let what runs and waits finish within `stop_timeout_s`; end and let go of the rest."""
        for _ in self._threads:
            self._waiting.put(None)
        self._join(self._stop_timeout_s)
        with self._lock:
            self._closed = True
            ended = len(self._running)
            for process in self._running:
                _kill(process)
        waiting = self._drain()
        for _ in self._threads:  # what was drained had theirs among it
            self._waiting.put(None)
        self._join(KILLED_S)
        self._slow.close()
        self._failing.close()
        if ended or waiting:
            log.warning(
                "hook %s: stopped after %g s: %d ended, and %d results let go",
                self._command[0],
                self._stop_timeout_s,
                ended,
                waiting,
            )

    def result(self, outcome: Outcome) -> None:
        """Hand on a result, if it is the first for its frame."""
        if not outcome.new or not isinstance(outcome.message, FrameRecognized):
            return
        if self._waiting.qsize() < WAITING:  # only the thread of the results puts any in
            self._waiting.put(_told(outcome))
            self._slow.look()
        else:
            self._slow.note(
                "the hook is too slow: result %s is not handed to it", outcome.message.frame_id
            )

    def _run(self) -> None:
        while (payload := self._waiting.get()) is not None:
            self._call(payload)

    def _call(self, payload: bytes) -> None:
        name = self._command[0]
        try:
            process = self._begin()
        except OSError as err:
            self._failing.note("hook %s: cannot be run: %s", name, err.strerror or err)
            return
        if process is None:
            return
        try:
            process.communicate(payload, timeout=self._timeout_s)
        except subprocess.TimeoutExpired:
            _kill(process)
            assert process.stdin is not None  # noqa: S101 - it is a pipe of ours
            process.stdin.close()  # with what it did not read
            process.wait()
            self._failing.note("hook %s: ended after %g s", name, self._timeout_s)
            return
        finally:
            with self._lock:
                self._running.discard(process)
        if not process.returncode:
            self._failing.look()
        elif not self._closed:
            self._failing.note("hook %s: exit status %d", name, process.returncode)

    def _begin(self) -> "subprocess.Popen[bytes] | None":
        """Start the command; None once we are closed."""
        with self._lock:
            if self._closed:
                return None
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=sys.stderr.fileno(),
                start_new_session=True,  # so that a time-out ends what it started, too
            )
            self._running.add(process)
            return process

    def _drain(self) -> int:
        """Take out all that waits, and count the results in it."""
        results = 0
        with contextlib.suppress(queue.Empty):
            while True:
                results += self._waiting.get_nowait() is not None
        return results

    def _join(self, timeout_s: float) -> None:
        until_s = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))


def _told(outcome: Outcome) -> bytes:
    """Write the result as it came, and with it what only this device knows."""
    known = {"late": outcome.late, "age_s": outcome.age_s and round(outcome.age_s, 3)}
    return json.dumps(json.loads(outcome.payload) | known, ensure_ascii=False).encode()


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End *process* and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
