"""Where given-up events go: the on-failure destination."""

import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from infra.local.lambda_service.function import Function
from infra.local.lambda_service.invocation import Condition, Invocation, failure_record

_log = logging.getLogger(__name__)
OnFailure = Callable[[str, dict[str, Any]], None]


class DeadLetters:
    """Hands records to *on_failure*, one at a time, in a thread of its own.

    Args:
        on_failure: Told the destination's ARN and the record; may raise anything.
        pauses_s: Between the tries to hand a record over.
    """

    def __init__(
        self, on_failure: OnFailure, *, pauses_s: tuple[float, ...] = (0.2, 1.0, 5.0)
    ) -> None:
        self._on_failure = on_failure
        self._pauses_s = pauses_s
        self._given_up: queue.SimpleQueue[tuple[Function, Invocation, Condition] | None] = (
            queue.SimpleQueue()
        )
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="dead letters", daemon=True)
        self._thread.start()

    def add(self, function: Function, invocation: Invocation, condition: Condition) -> None:
        """Give *invocation* up; returns at once."""
        self._given_up.put((function, invocation, condition))

    def deliver(self, function: Function, invocation: Invocation, condition: Condition) -> bool:
        """Hand the record over now; whether that was done. What is lost is logged."""
        name, request_id = function.name, invocation.request_id
        if function.on_failure_arn is None:
            _log.warning(
                "event %s of %s is lost (%s): the function has no on-failure destination",
                *(request_id, name, condition),
            )
            return False
        record = failure_record(function, invocation, condition)
        for pause_s in (*self._pauses_s, None):
            try:
                self._on_failure(function.on_failure_arn, record)
            except Exception:  # the composer's callable may raise anything; others wait behind it
                _log.exception("the record of event %s of %s was not taken", request_id, name)
            else:
                _log.warning("event %s of %s was given up: %s", request_id, name, condition)
                return True
            if pause_s is not None:
                self._hurry.wait(pause_s)
        _log.error("event %s of %s is lost: its destination takes no records", request_id, name)
        return False

    def close(self, *, grace_s: float) -> None:
        """Hand over what is there, without pauses, for at most *grace_s*."""
        self._hurry.set()
        self._given_up.put(None)
        self._thread.join(timeout=grace_s)
        if self._thread.is_alive():
            _log.error("%d or more records of failed events are lost", self._given_up.qsize())

    def _loop(self) -> None:
        while (given_up := self._given_up.get()) is not None:
            self.deliver(*given_up)
