"""Where a worker's process and the service meet, one invocation at a time."""

import threading
import time
from typing import Literal

from infra.local.lambda_service.invocation import Invocation, Outcome

End = Literal["ready", "init_failed", "ended", "late"]


class Handover:
    """What the Runtime API's requests change and the worker's owner waits for.

    Process side: `take`, `answer`, `fail_init`, `end`. Service side: `wait_ready`, `offer`,
    `wait_outcome`. Safe for threads.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._asked = False  # the runtime has asked for its first event, so init is over
        self._offered: Invocation | None = None
        self._deadline_ms = 0
        self._taken: Invocation | None = None
        self._outcome: Outcome | None = None
        self._init_error: bytes | None = None
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether the process has gone, or is being done away with."""
        return self._ended

    @property
    def init_error(self) -> bytes | None:
        """What the runtime said about its failed start, JSON."""
        return self._init_error

    def take(self) -> tuple[Invocation, int] | None:
        """The next invocation and its deadline in epoch ms; None if there will be none."""
        with self._changed:
            self._asked = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._ended or self._offered is not None)
            if self._ended or self._offered is None:
                return None
            self._taken, self._offered = self._offered, None
            return self._taken, self._deadline_ms

    def answer(self, request_id: str, outcome: Outcome) -> bool:
        """Settle the invocation in hand; False if *request_id* is not the one."""
        with self._changed:
            if self._taken is None or self._taken.request_id != request_id:
                return False
            self._taken = None
            self._outcome = outcome
            self._changed.notify_all()
            return True

    def fail_init(self, payload: bytes) -> None:
        """The runtime could not load its handler."""
        with self._changed:
            self._init_error = payload
            self._changed.notify_all()

    def end(self) -> None:
        """The process is gone, or about to be."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_ready(self, timeout_s: float) -> End:
        """Wait until the handler is loaded."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._asked or self._ended or self._init_error is not None, timeout_s
            )
            if self._init_error is not None:
                return "init_failed"
            if self._ended:
                return "ended"
            return "ready" if self._asked else "late"

    def offer(self, invocation: Invocation, timeout_s: float) -> None:
        """Lay *invocation* ready for the process."""
        with self._changed:
            self._offered, self._outcome = invocation, None
            self._deadline_ms = int((time.time() + timeout_s) * 1000)
            self._changed.notify_all()

    def wait_outcome(self, timeout_s: float) -> Outcome | Literal["ended", "untouched", "late"]:
        """Wait for what was offered to be settled.

        Returns:
            The outcome; or `ended` if the process went with the invocation in hand, `untouched`
            if it went before it took it, `late` if the time is over.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._outcome is not None or self._ended, timeout_s)
            if self._outcome is not None:
                return self._outcome
            if not self._ended:
                return "late"
            return "ended" if self._taken is not None else "untouched"
