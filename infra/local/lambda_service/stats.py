"""What a function's invocations came to so far."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Counts since the service started; `queued` and `running` are of this moment.

    Attributes:
        queued: Events that wait, for a worker or for their next attempt.
        peak_running: The most invocations that ever ran at once.
        done: Invocations that succeeded.
        failed: Attempts that failed, each of an event's attempts counted.
        retried: Attempts after an event's first.
        expired: Events given up because of their age.
        dead: Events given up for any reason; each has a record at the on-failure destination.
        throttled: Invocations refused: no free worker, or a full queue.
        workers: Worker processes alive or starting.
        starts: Worker processes ever started.
        start_error: Why the last worker could not start; None once one has.
    """

    queued: int = 0
    running: int = 0
    peak_running: int = 0
    done: int = 0
    failed: int = 0
    retried: int = 0
    expired: int = 0
    dead: int = 0
    throttled: int = 0
    workers: int = 0
    starts: int = 0
    start_error: str | None = None
