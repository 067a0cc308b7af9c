"""A slot: room for one invocation at a time, with a worker that is started when first needed."""

import logging
import queue
import threading
import time
from collections.abc import Callable

from infra.local.lambda_service.function import Function
from infra.local.lambda_service.function_log import FunctionLog
from infra.local.lambda_service.invocation import Invocation, Outcome, failure
from infra.local.lambda_service.starts import Starts
from infra.local.lambda_service.worker import Worker

_log = logging.getLogger(__name__)


class Slot:
    """A thread that runs the invocations handed to it, and replaces its worker as need be.

    Args:
        finished: Told the slot, the invocation and what came of it; None if it could not be tried
            for a reason that is not the function's.
    """

    def __init__(
        self,
        function: Function,
        log: FunctionLog,
        starts: Starts,
        finished: Callable[["Slot", Invocation, Outcome | None], None],
        *,
        warm: bool = False,
    ) -> None:
        self._function = function
        self._log = log
        self._starts = starts
        self._finished = finished
        self._jobs: queue.SimpleQueue[Invocation | None] = queue.SimpleQueue()
        self._lock = threading.Lock()  # of the worker being replaced against being closed
        self._closing = False
        self._worker: Worker | None = None
        self._starting = warm
        self.warmed = threading.Event()  # the start ahead of need, if any, is over
        if not warm:
            self.warmed.set()
        self._thread = threading.Thread(target=self._loop, name=f"{function.name} slot")
        self._thread.daemon = True
        self._thread.start()

    @property
    def warm(self) -> bool:
        """Whether a worker is there, or is being started already."""
        worker = self._worker
        return self._starting or (worker is not None and worker.alive)

    @property
    def pid(self) -> int | None:
        """Of the worker's process; None without one."""
        worker = self._worker
        return worker.pid if worker is not None and worker.alive else None

    def hand(self, invocation: Invocation) -> None:
        """Run *invocation*; to be called only when the last one is finished."""
        self._jobs.put(invocation)

    def close(self) -> None:
        """Kill the worker and end the thread; an invocation in hand fails."""
        with self._lock:
            self._closing = True
            worker = self._worker
        if worker is not None:
            worker.close()
        self._jobs.put(None)
        self._thread.join(timeout=5)

    def _loop(self) -> None:
        if self._starting:
            self._make_ready()
            self.warmed.set()
        while True:
            try:
                invocation = self._jobs.get(timeout=self._fresh_for_s())
            except queue.Empty:
                self._make_ready()  # while nobody waits for it
                continue
            if invocation is None:
                return
            try:
                outcome = self._perform(invocation)
            except Exception:  # an error of ours must cost neither the event nor the slot
                _log.exception("event %s could not be run", invocation.request_id)
                outcome = None
            self._finished(self, invocation, outcome)

    def _perform(self, invocation: Invocation) -> Outcome | None:
        outcome: Outcome | None = None
        for _ in range(2):  # twice, for a worker may have died idle without our knowing yet
            if not self._make_ready():
                return None if self._closing else self._start_failure
            worker = self._worker
            assert worker is not None  # noqa: S101 - what _make_ready says
            began_s = time.monotonic()
            outcome = worker.run(invocation)
            if outcome is not None:
                self._report(invocation, outcome, time.monotonic() - began_s)
                return outcome
        return failure("Runtime.ExitError", "Error: Runtime exited without providing a reason")

    def _make_ready(self) -> bool:
        """Have a fresh worker with its handler loaded; False if that cannot be."""
        worker = self._worker
        if worker is not None and worker.alive and self._fresh_for_s() != 0:
            return True
        self._starting = True
        try:
            if worker is not None:
                worker.close()
            self._start_failure = None
            return self._start()
        finally:
            self._starting = False

    def _start(self) -> bool:
        try:
            granted = refresh() if (refresh := self._function.refresh_environment) else {}
            with self._lock:
                if self._closing:
                    return False
                self._worker = worker = Worker(self._function, self._log, granted)
        except Exception:  # the composer's callable may raise anything; the thread must live on
            _log.exception("a worker of %s cannot be started", self._function.name)
            self._starts.failed(failure("Service.StartError", "the service's log says why"))
            return False
        self._starts.begun()
        why = worker.wait_ready()
        if why is None:
            self._starts.succeeded()
            init_ms = (time.monotonic() - worker.started_s) * 1000
            self._log.write(f"INIT Duration: {init_ms:.2f} ms".encode())
            return True
        worker.close()
        if not self._closing:
            self._start_failure = why
            self._starts.failed(why)
        return False

    _start_failure: Outcome | None = None

    def _fresh_for_s(self) -> float | None:
        """Seconds until the worker's credentials are too old; None if they never are."""
        worker = self._worker
        if worker is None or not worker.alive or self._function.refresh_environment is None:
            return None
        return max(0.0, self._function.environment_lifetime_s - worker.age_s)

    def _report(self, invocation: Invocation, outcome: Outcome, seconds: float) -> None:
        state = "" if outcome.error is None else "\tStatus: error"
        line = (
            f"REPORT RequestId: {invocation.request_id}\tDuration: {seconds * 1000:.2f} ms{state}"
        )
        self._log.write(line.encode())
