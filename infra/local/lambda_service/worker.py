"""A worker: one process of a function, and the Runtime API that feeds it."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from infra.local.lambda_service.environment import worker_environment
from infra.local.lambda_service.function import Function
from infra.local.lambda_service.function_log import FunctionLog
from infra.local.lambda_service.handover import Handover
from infra.local.lambda_service.invocation import Invocation, Outcome, failure
from infra.local.lambda_service.runtime_api import RuntimeApi

_BOOT = Path(__file__).with_name("boot.py")


class Worker:
    """Runs a function's invocations one after the other until it is closed or its process ends.

    `close` may be called from any thread at any time; the rest belongs to one thread.
    """

    def __init__(self, function: Function, log: FunctionLog, granted: Mapping[str, str]) -> None:
        """Start the process.

        Raises:
            OSError: The machine cannot start it.
        """
        self.started_s = time.monotonic()
        self._started_at = time.time()
        self._function = function
        self._log = log
        self._handover = Handover()
        self._closing = threading.Lock()
        self._killing = threading.Lock()
        self._gone = False  # from then on the group's number may be somebody else's
        self._api = RuntimeApi(function, self._handover)
        try:
            self._process = self._spawn(granted)
        except BaseException:
            self._api.close()
            raise
        self._threads = [
            threading.Thread(target=self._copy_output, name="worker output", daemon=True),
            threading.Thread(target=self._watch, name="worker watch", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def alive(self) -> bool:
        """Whether it can take another invocation, as far as is known."""
        return not self._handover.ended

    @property
    def age_s(self) -> float:
        """Seconds since its start."""
        # By the clock that says more: one stands still in a suspended machine, whose credentials
        # grow old all the same, and the other may be set back.
        return max(time.monotonic() - self.started_s, time.time() - self._started_at)

    @property
    def pid(self) -> int:
        """Of the process, which leads a group of its own."""
        return self._process.pid

    def wait_ready(self) -> Outcome | None:
        """Wait for the handler to be loaded; None, or why it could not be."""
        match self._handover.wait_ready(self._function.init_timeout_s):
            case "ready":
                return None
            case "init_failed":
                return Outcome(payload=self._handover.init_error or b"{}", error="Unhandled")
            case "ended":
                return failure("Runtime.ExitError", f"Error: {self._exit_text()}")
            case "late":
                seconds = f"{self._function.init_timeout_s:.2f} seconds"
                return failure("Sandbox.Timedout", f"Error: Init timed out after {seconds}")

    def run(self, invocation: Invocation) -> Outcome | None:
        """Have *invocation* handled; None if the process ended before it took it."""
        timeout_s = self._function.timeout_s
        self._handover.offer(invocation, timeout_s)
        outcome = self._handover.wait_outcome(timeout_s)
        if isinstance(outcome, Outcome):
            return outcome
        request = f"RequestId: {invocation.request_id} Error:"
        if outcome == "late":
            self.close()
            text = f"{request} Task timed out after {timeout_s:.2f} seconds"
            return failure("Sandbox.Timedout", text)
        if outcome == "untouched":
            return None
        return failure("Runtime.ExitError", f"{request} {self._exit_text()}")

    def close(self) -> None:
        """Kill the process with all its children; what it had in hand has failed."""
        with self._closing:
            self._kill()
            for thread in self._threads:
                # A child that left the group may hold the output open: it is not waited for.
                thread.join(timeout=2)
            self._api.close()
            if self._process.stdin is not None:
                self._process.stdin.close()

    def _spawn(self, granted: Mapping[str, str]) -> subprocess.Popen[bytes]:
        environment = worker_environment(
            self._function, runtime_api=self._api.endpoint, granted=granted, service=os.environ
        )
        # -P: the folder of boot.py must not be on the module path.
        command = [str(self._function.python), "-P", str(_BOOT), self._function.handler]
        process = subprocess.Popen(
            command,
            cwd=self._function.folder,
            env=environment,
            stdin=subprocess.PIPE,  # held open, never written: see boot.py
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # No session of its own: Linux may divide its time among sessions, and then only within
            # one of them by priority.
            process_group=0,
        )
        own = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, process.pid, own + self._function.niceness)
        return process

    def _watch(self) -> None:
        if hasattr(os, "waitid"):
            # Seen but not reaped: so long, its number cannot become another group's.
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        self._kill(last=True)  # children it left behind
        self._process.wait()
        self._handover.end()

    def _copy_output(self) -> None:
        output: IO[bytes] | None = self._process.stdout
        if output is not None:
            with output:
                self._log.copy(output)

    def _kill(self, *, last: bool = False) -> None:
        with self._killing:
            if not self._gone:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            self._gone = self._gone or last

    def _exit_text(self) -> str:
        status = self._process.poll()
        if status is None or status == 0:
            return "Runtime exited without providing a reason"
        if status > 0:
            return f"Runtime exited with error: exit status {status}"
        name = signal.strsignal(-status) or f"signal {-status}"
        return f"Runtime exited with error: signal: {name.lower()}"
