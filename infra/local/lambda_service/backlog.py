"""The events that wait: for a free worker, or for the time of their next attempt."""

import heapq
import itertools

from infra.local.lambda_service.invocation import Invocation


class Backlog:
    """Events in the order in which they are due, bounded in number and bytes; not for threads."""

    def __init__(self, *, limit: int, limit_bytes: int) -> None:
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._heap: list[tuple[float, int, Invocation]] = []
        self._order = itertools.count()  # of equals, the first in is the first out

    def __len__(self) -> int:
        return len(self._heap)

    def has_room(self, payload_bytes: int) -> bool:
        """Whether one more event may be accepted."""
        return len(self._heap) < self._limit and self._bytes + payload_bytes <= self._limit_bytes

    def add(self, invocation: Invocation, *, due_s: float) -> None:
        """Keep *invocation* until *due_s*, in monotonic seconds.

        Not bounded: what comes back for a retry was accepted long ago and may not be refused.
        """
        heapq.heappush(self._heap, (due_s, next(self._order), invocation))
        self._bytes += len(invocation.payload)

    def first(self) -> tuple[float, Invocation] | None:
        """The first and when it is due, left where it is; None if there is none."""
        return (self._heap[0][0], self._heap[0][2]) if self._heap else None

    def take(self) -> Invocation:
        """Remove and return the first.

        Raises:
            IndexError: There is none.
        """
        invocation = heapq.heappop(self._heap)[2]
        self._bytes -= len(invocation.payload)
        return invocation
