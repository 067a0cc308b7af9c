"""Which message goes to whom."""

import logging
import threading
from collections import deque
from dataclasses import dataclass

from device.network.link import Acknowledge, Handler, Taker, matches

log = logging.getLogger(__name__)

HELD = 256  # messages; the newest are kept
UNACKNOWLEDGED = 50  # of them; a broker that has a hundred out sends no more


def _nothing() -> None:
    return None


@dataclass(slots=True)
class _Held:
    topic: str
    payload: bytes
    acknowledge: Acknowledge


class _Receipt:
    """Acknowledges once all who were handed a message have."""

    def __init__(self, acknowledge: Acknowledge, takers: int) -> None:
        self._acknowledge = acknowledge
        self._left = takers
        self._lock = threading.Lock()

    def one(self) -> None:
        with self._lock:
            self._left -= 1
            done = self._left == 0
        if done:
            self._acknowledge()


class Routes:
    """Patterns of topics and who hears of them. Safe from any thread.

    A broker sends what it kept for us as soon as we connect. What comes before its route is there
    is held for it.
    """

    def __init__(self, *, held: int = HELD) -> None:
        self._lock = threading.Lock()
        self._routes: list[tuple[str, Taker]] = []
        self._held: deque[_Held] = deque(maxlen=held)

    def add(self, pattern: str, handler: Handler) -> None:
        """Call *handler* for what matches *pattern*, beginning with what is held."""

        def take(topic: str, payload: bytes, acknowledge: Acknowledge) -> None:
            try:
                handler(topic, payload)
            finally:
                acknowledge()

        self.take(pattern, take)

    def take(self, pattern: str, taker: Taker) -> None:
        """Likewise; *taker* acknowledges each message itself."""
        with self._lock:
            self._routes.append((pattern, taker))
            waiting = [each for each in self._held if matches(pattern, each.topic)]
            for each in waiting:
                self._held.remove(each)
        for each in waiting:
            taker(each.topic, each.payload, each.acknowledge)

    def deliver(self, topic: str, payload: bytes, acknowledge: Acknowledge = _nothing) -> None:
        """Hand a message to all whom it concerns; *acknowledge* is called when all have it."""
        with self._lock:
            takers = [each for pattern, each in self._routes if matches(pattern, topic)]
            early = None if takers else self._hold(_Held(topic, payload, acknowledge))
        if early is not None:
            early()
        receipt = _Receipt(acknowledge, len(takers))
        for taker in takers:
            taker(topic, payload, receipt.one)

    def patterns(self) -> set[str]:
        """Give the patterns of all routes."""
        with self._lock:
            return {pattern for pattern, _ in self._routes}

    def _hold(self, message: _Held) -> Acknowledge | None:
        """Keep a message for who may ask for it; give what is to be acknowledged all the same."""
        if len(self._held) == self._held.maxlen:
            log.debug("let go of a message on %s: nobody asked for it", self._held[0].topic)
        early = None
        if len(self._held) >= UNACKNOWLEDGED:
            oldest = self._held[-UNACKNOWLEDGED]
            early, oldest.acknowledge = oldest.acknowledge, _nothing
        self._held.append(message)
        return early
