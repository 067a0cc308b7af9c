"""A command of the operator's, run for each new result."""

import contextlib
import logging
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from device.results import Outcome
from sightline.errors import ConfigError
from sightline.messages import FrameRecognized

log = logging.getLogger(__name__)

WAITING = 100  # results; when the hook is slower than the camera, the rest is not handed to it


class Hook:
    """Runs a command with the result's JSON on its standard input.

    Results never wait for it: a few processes run at once, some results wait, and what comes
    beyond that is not handed on. What it prints goes to standard error.
    """

    def __init__(
        self, command: Sequence[str], *, timeout_s: float = 10.0, processes: int = 2
    ) -> None:
        """Prepare *command*: a program and its arguments. No shell reads it.

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
        self._waiting: queue.Queue[bytes | None] = queue.Queue(WAITING)
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
        """Let what runs finish, within its time; what waits is let go."""
        with contextlib.suppress(queue.Empty):
            while exc is not None:
                self._waiting.get_nowait()
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def result(self, outcome: Outcome) -> None:
        """Hand on a result, if it is the first for its frame."""
        if not outcome.new or not isinstance(outcome.message, FrameRecognized):
            return
        try:
            self._waiting.put_nowait(outcome.payload)
        except queue.Full:
            log.warning(
                "the hook is too slow: result %s is not handed to it", outcome.message.frame_id
            )

    def _run(self) -> None:
        while (payload := self._waiting.get()) is not None:
            self._call(payload)

    def _call(self, payload: bytes) -> None:
        name = self._command[0]
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=sys.stderr.fileno(),
                start_new_session=True,  # so that a time-out ends what it started, too
            )
        except OSError as err:
            log.warning("hook %s: cannot be run: %s", name, err.strerror or err)
            return
        try:
            process.communicate(payload, timeout=self._timeout_s)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            log.warning("hook %s: ended after %g s", name, self._timeout_s)
            return
        if process.returncode:
            log.warning("hook %s: exit status %d", name, process.returncode)
