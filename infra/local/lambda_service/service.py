"""The Lambda service of one machine: functions, their queues, and the address to invoke them at."""

import logging
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.local.lambda_service.addresses import Addresses
from infra.local.lambda_service.dead_letters import DeadLetters, OnFailure
from infra.local.lambda_service.dispatcher import Dispatcher, ThrottledError
from infra.local.lambda_service.function import Function
from infra.local.lambda_service.function_log import FunctionLog
from infra.local.lambda_service.invocation import Invocation, Outcome
from infra.local.lambda_service.invoke_api import InvokeApi
from infra.local.lambda_service.stats import Stats
from sightline.errors import ConfigError

_log = logging.getLogger(__name__)


class LambdaService:
    """Runs *functions* from `start` (or `with`) to `stop`.

    What was accepted is served, retried, or handed to *on_failure*; a stop hands over what it
    cannot finish in time, with the condition `ServiceStopped`. Events live in memory: a SIGKILL of
    the service loses those that wait, which AWS would have kept.

    Who has one of its `addresses` may invoke: requests' signatures are not checked, but each must
    begin with the addresses' secret, so that another account of this machine cannot call.

    Args:
        functions: Names must differ.
        port: 0 takes any free one.
        secret: Of `Addresses`, where somebody was told of them before the start; a new one at each
            start unless it is given.
        log_folder: Gets a log a function.
        on_failure: Told a destination's ARN and AWS's record of an event that was given up; called
            from threads of the service, again if it raises.
        grace_s: How long a stop waits for what was accepted.
    """

    def __init__(
        self,
        functions: Sequence[Function],
        *,
        port: int = 0,
        secret: str | None = None,
        log_folder: Path,
        on_failure: OnFailure,
        grace_s: float = 10,
    ) -> None:
        self._functions = {function.name: function for function in functions}
        if len(self._functions) != len(functions):
            raise ConfigError("two functions have the same name: give each a name of its own")
        self._port = port
        self._secret = secret
        self._log_folder = log_folder
        self._on_failure = on_failure
        self._grace_s = grace_s
        self._logs: list[FunctionLog] = []
        self._dispatchers: dict[str, Dispatcher] = {}
        self._dead_letters: DeadLetters | None = None
        self._api: InvokeApi | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def addresses(self) -> Addresses:
        """Where to invoke.

        Raises:
            ConfigError: The service is not running.
        """
        if self._api is None:
            raise ConfigError("the Lambda service is not running: start it first")
        return Addresses(port=self._api.server_port, secret=self._api.secret)

    def stats(self, name: str) -> Stats:
        """The counts of the function *name*, also after a stop."""
        return self._dispatchers[name].stats()

    def wait_warm(self, timeout_s: float = 60) -> bool:
        """Wait for the workers that start ahead of need; whether all are done, well or ill."""
        deadline_s = time.monotonic() + timeout_s
        return all(dispatcher.wait_warm(deadline_s) for dispatcher in self._dispatchers.values())

    def worker_pids(self, name: str) -> list[int]:
        """Processes of the function *name*, for whoever watches their memory."""
        return self._dispatchers[name].worker_pids()

    def log_path(self, name: str) -> Path:
        """Where the output of the function *name* goes."""
        return self._log_folder / f"{self._functions[name].name}.log"

    def start(self) -> None:
        """Listen, and start the workers that are to be warm.

        Raises:
            ConfigError: The port is in use, or the log folder cannot be written.
        """
        self._dead_letters = DeadLetters(self._on_failure)
        try:
            # First of all what may fail, so that a failed start leaves no workers behind.
            self._logs = []
            for name in self._functions:
                self._logs.append(FunctionLog(self._log_folder, name))
            secret = self._secret or secrets.token_urlsafe()
            self._api = InvokeApi(self, port=self._port, secret=secret)
        except ConfigError:
            self.stop()
            raise
        for (name, function), log in zip(self._functions.items(), self._logs, strict=True):
            self._dispatchers[name] = Dispatcher(function, log, self._dead_letters.add)

    def stop(self) -> None:
        """Take no more work, finish or hand over what there is, and leave no process behind."""
        deadline_s = time.monotonic() + self._grace_s
        if self._api is not None:
            self._api.refuse()
        for dispatcher in self._dispatchers.values():
            dispatcher.refuse()
        for dispatcher in self._dispatchers.values():
            dispatcher.close(deadline_s)
        if self._dead_letters is not None:
            self._dead_letters.close(grace_s=max(5.0, self._grace_s))
            self._dead_letters = None
        if self._api is not None:
            self._api.close()
            self._api = None
        for log in self._logs:
            log.close()

    def has(self, name: str) -> bool:
        """Whether there is a function of that *name*, and it is running."""
        return name in self._dispatchers

    def invoke(self, name: str, invocation: Invocation, *, patience_s: float = 0) -> Outcome:
        """Run *invocation* and wait for what comes of it.

        Args:
            name: The function's.
            invocation: The event.
            patience_s: How long it may wait for a worker.

        Raises:
            TransportError: All workers are busy, or the service is stopping.
        """
        return self._dispatchers[name].invoke(invocation, patience_s=patience_s)

    def submit(self, name: str, invocation: Invocation, *, or_give_up: bool = False) -> None:
        """Queue *invocation*.

        Args:
            name: The function's.
            invocation: The event.
            or_give_up: A full queue sends it to the on-failure destination, for a sender that
                would not send it again: MiniStack's rules have acknowledged the message already.

        Raises:
            TransportError: It was not accepted: the queue is full, or the service is stopping.
        """
        try:
            self._dispatchers[name].submit(invocation)
        except ThrottledError:
            dead_letters, function = self._dead_letters, self._functions[name]
            if not (or_give_up and dead_letters is not None):
                raise
            if not dead_letters.deliver(function, invocation, "QueueFull"):
                raise
            self._dispatchers[name].note_dead()
