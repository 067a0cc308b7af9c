"""A broker inside one process."""

from collections.abc import Callable

from device.network.link import Handler, Taker, check_publish, matches
from sightline.topics import check_topic


class LocalLink:
    """See `device.network.link.Link`: for a dry run without a broker, and for tests.

    Delivery is synchronous and in order: `publish` returns when all handlers have.
    """

    def __init__(self) -> None:
        self._routes: list[tuple[str, Handler]] = []
        self._retained: dict[str, bytes] = {}

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """See `Link.publish`; this one never raises TransportError."""
        check_publish(topic, payload)
        if retain:
            self._retained[topic] = payload
        for pattern, handler in list(self._routes):
            if matches(pattern, topic):
                handler(topic, payload)

    def subscribe(self, pattern: str, handler: Handler) -> None:
        """See `Link.subscribe`; retained messages come at once."""
        check_topic(pattern)
        self._routes.append((pattern, handler))
        for topic, payload in list(self._retained.items()):
            if matches(pattern, topic):
                handler(topic, payload)

    def take(self, pattern: str, taker: Taker) -> None:
        """See `Link.take`; in this one nothing comes again."""
        self.subscribe(pattern, lambda topic, payload: taker(topic, payload, lambda: None))

    def on_connected(self, handler: Callable[[], None]) -> None:
        """See `Link.on_connected`; this one always stands."""
        handler()
