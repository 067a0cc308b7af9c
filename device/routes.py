"""Which message goes to whom."""

import logging
import threading
from collections import deque

from device.link import Handler, matches

log = logging.getLogger(__name__)

HELD = 256  # messages; the newest are kept


class Routes:
    """Patterns of topics and who hears of them. Safe from any thread.

    A broker sends what it kept for us as soon as we connect, and has it acknowledged. What comes
    before its route is there is held for it.
    """

    def __init__(self, *, held: int = HELD) -> None:
        self._lock = threading.Lock()
        self._routes: list[tuple[str, Handler]] = []
        self._held: deque[tuple[str, bytes]] = deque(maxlen=held)

    def add(self, pattern: str, handler: Handler) -> None:
        """Call *handler* for what matches *pattern*, beginning with what is held."""
        with self._lock:
            self._routes.append((pattern, handler))
            waiting = [each for each in self._held if matches(pattern, each[0])]
            for each in waiting:
                self._held.remove(each)
        for topic, payload in waiting:
            handler(topic, payload)

    def deliver(self, topic: str, payload: bytes) -> None:
        """Hand a message to all whom it concerns."""
        with self._lock:
            handlers = [each for pattern, each in self._routes if matches(pattern, topic)]
            if not handlers:
                if len(self._held) == self._held.maxlen:
                    log.debug("let go of a message on %s: nobody asked for it", self._held[0][0])
                self._held.append((topic, payload))
        for handler in handlers:
            handler(topic, payload)

    def patterns(self) -> set[str]:
        """Give the patterns of all routes."""
        with self._lock:
            return {pattern for pattern, _ in self._routes}
