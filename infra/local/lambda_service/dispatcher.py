"""A function's dispatcher: which invocation runs when, and what becomes of one that fails."""

import threading
import time
from collections import Counter
from collections.abc import Callable

from infra.local.lambda_service.backlog import Backlog
from infra.local.lambda_service.function import Function
from infra.local.lambda_service.function_log import FunctionLog
from infra.local.lambda_service.invocation import Condition, Invocation, Outcome, failure
from infra.local.lambda_service.slot import Slot
from infra.local.lambda_service.starts import Starts
from infra.local.lambda_service.stats import Stats
from sightline.errors import TransportError

PUT_BACK_S = 1.0  # AWS's first pause after an error that is not the function's


class ThrottledError(TransportError):
    """No worker is free, or the queue is full."""


class StoppingError(TransportError):
    """The service takes no more work."""


class Dispatcher:
    """Spreads a function's invocations over its slots; safe for threads.

    Args:
        give_up: Takes the events that failed for good; called with a lock held, so it must not
            wait.
    """

    def __init__(
        self,
        function: Function,
        log: FunctionLog,
        give_up: Callable[[Function, Invocation, Condition], None],
    ) -> None:
        self.function = function
        self._give_up = give_up
        self._changed = threading.Condition()
        self._backlog = Backlog(limit=function.queue_limit, limit_bytes=function.queue_limit_bytes)
        self._counts: Counter[str] = Counter()
        self._running = 0
        self._stopping = False
        self._closed = False
        self._starts = Starts(function.name, log.path)
        self._slots = [
            Slot(function, log, self._starts, self._settle, warm=i < function.warm)
            for i in range(function.workers)
        ]
        self._free = self._slots[::-1]  # the next one to use is last: the warmest
        self._thread = threading.Thread(target=self._loop, name=f"{function.name} dispatcher")
        self._thread.daemon = True
        self._thread.start()

    def submit(self, invocation: Invocation) -> None:
        """Accept an asynchronous *invocation*: from here on it is served, or given up on record.

        Raises:
            ThrottledError: The queue is full.
            StoppingError: The service takes no more work.
        """
        with self._changed:
            self._refuse_if_stopping()
            if not self._backlog.has_room(len(invocation.payload)):
                self._counts["throttled"] += 1
                raise ThrottledError(
                    f"the queue of {self.function.name} is full ({len(self._backlog)} events wait):"
                    " send again later"
                )
            self._backlog.add(invocation, due_s=invocation.received_s)
            self._changed.notify_all()

    def invoke(self, invocation: Invocation, *, patience_s: float = 0) -> Outcome:
        """Run a synchronous *invocation* and wait for its end.

        Args:
            patience_s: How long it may wait for a worker.

        Raises:
            ThrottledError: All workers are busy, and were so for as long.
            StoppingError: The service takes no more work.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._free or self._stopping, patience_s)
            self._refuse_if_stopping()
            slot = self._choose(time.monotonic())
            if slot is None and self._free:
                return self._starts.failure or failure("Service.StartError", "no worker starts")
            if slot is None:
                self._counts["throttled"] += 1
                raise ThrottledError(
                    f"Rate Exceeded: all {self.function.workers} workers of {self.function.name}"
                    " are busy"
                )
            invocation.waiting = True
            self._begin(slot, invocation)
        invocation.finished.wait()
        return invocation.outcome or failure("Service.StartError", "no worker could be started")

    def stats(self) -> Stats:
        """The counts of this moment."""
        with self._changed:
            return Stats(
                queued=len(self._backlog),
                running=self._running,
                workers=sum(slot.warm for slot in self._slots),
                starts=self._starts.count,
                start_error=self._starts.error,
                **self._counts,
            )

    def note_dead(self) -> None:
        """Count an event that was given up instead of being accepted."""
        with self._changed:
            self._counts["dead"] += 1

    def wait_warm(self, deadline_s: float) -> bool:
        """Wait for the starts ahead of need; whether they are over by *deadline_s* (monotonic)."""
        return all(slot.warmed.wait(max(0, deadline_s - time.monotonic())) for slot in self._slots)

    def worker_pids(self) -> list[int]:
        """Of the processes alive."""
        return [pid for slot in self._slots if (pid := slot.pid) is not None]

    def refuse(self) -> None:
        """Take no more work; what was accepted goes on."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def close(self, deadline_s: float) -> None:
        """Finish what was accepted until *deadline_s* (monotonic), give the rest up, and end."""
        self.refuse()
        with self._changed:
            self._changed.wait_for(lambda: self._idle(deadline_s), deadline_s - time.monotonic())
            self._closed = True
            while self._backlog:
                self._bury(self._backlog.take(), "ServiceStopped")
            self._changed.notify_all()
        self._thread.join()
        for slot in self._slots:
            slot.close()

    def _idle(self, deadline_s: float) -> bool:
        first = self._backlog.first()
        return self._running == 0 and (first is None or first[0] > deadline_s)

    def _refuse_if_stopping(self) -> None:
        if self._stopping:
            raise StoppingError("the Lambda service is stopping")

    def _loop(self) -> None:
        with self._changed:
            while not self._closed:
                now_s = time.monotonic()
                if not self._advance(now_s):
                    self._changed.wait(self._pause_s(now_s))

    def _advance(self, now_s: float) -> bool:
        """Begin, or give up, the first event; False if it must wait."""
        first = self._backlog.first()
        if first is None or first[0] > now_s:
            return False
        if now_s - first[1].received_s > self.function.max_event_age_s:
            self._expire(self._backlog.take())
            return True
        slot = self._choose(now_s)
        if slot is None:
            return False
        invocation = self._backlog.take()
        self._counts["retried"] += invocation.attempts > 0
        self._begin(slot, invocation)
        return True

    def _pause_s(self, now_s: float) -> float | None:
        """How long nothing can change by itself; None for ever."""
        first = self._backlog.first()
        if first is None:
            return None
        due_s, invocation = first
        if due_s > now_s:
            return due_s - now_s
        wake_s = invocation.received_s + self.function.max_event_age_s
        if self._free:  # all cold, so it is the pause between starts that we wait for
            wake_s = min(wake_s, self._starts.not_before_s)
        return max(0.001, wake_s - now_s)

    def _choose(self, now_s: float) -> Slot | None:
        """A free slot, preferably one with a worker; None if none may run anything now."""
        warm = next((slot for slot in reversed(self._free) if slot.warm), None)
        if warm is not None or not self._free or now_s < self._starts.not_before_s:
            return warm
        return self._free[-1]

    def _begin(self, slot: Slot, invocation: Invocation) -> None:
        self._free.remove(slot)
        self._running += 1
        self._counts["peak_running"] = max(self._counts["peak_running"], self._running)
        slot.hand(invocation)

    def _settle(self, slot: Slot, invocation: Invocation, outcome: Outcome | None) -> None:
        """Called in the slot's thread once *invocation* has run, or could not be (None)."""
        with self._changed:
            self._running -= 1
            self._free.append(slot)
            if outcome is not None:
                invocation.attempts += 1
                invocation.outcome = outcome
                self._counts["done" if outcome.error is None else "failed"] += 1
            if not invocation.waiting and (outcome is None or outcome.error is not None):
                self._retry(invocation, counted=outcome is not None)
            self._changed.notify_all()
        invocation.finished.set()

    def _retry(self, invocation: Invocation, *, counted: bool) -> None:
        if self._closed:
            self._bury(invocation, "ServiceStopped")
            return
        if counted and invocation.attempts > self.function.retries:
            self._bury(invocation, "RetriesExhausted")
            return
        pause_s = self.function.retry_delay_s(invocation.attempts) if counted else PUT_BACK_S
        if invocation.age_s + pause_s > self.function.max_event_age_s:
            self._expire(invocation)  # its next attempt would come too late: say so now
        else:
            self._backlog.add(invocation, due_s=time.monotonic() + pause_s)

    def _expire(self, invocation: Invocation) -> None:
        self._counts["expired"] += 1
        self._bury(invocation, "EventAgeExceeded")

    def _bury(self, invocation: Invocation, condition: Condition) -> None:
        self._counts["dead"] += 1
        self._give_up(self.function, invocation, condition)
