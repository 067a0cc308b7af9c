"""The port to the MQTT broker."""

from collections.abc import Callable
from typing import Protocol

from sightline.errors import MessageError
from sightline.messages import MAX_PAYLOAD_BYTES
from sightline.topics import check_topic

Handler = Callable[[str, bytes], None]  # topic, payload; must be quick, and raise nothing
Acknowledge = Callable[[], None]  # from any thread
Taker = Callable[[str, bytes, Acknowledge], None]  # likewise


class Link(Protocol):
    """Publish and subscribe with QoS 1. Safe from any thread.

    `device.network.iot_link.IotLink` speaks to AWS IoT Core, `device.network.local_link.LocalLink`
    stays in the process.
    """

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Hand *payload* to the broker, and wait until it has acknowledged it.

        Raises:
            MessageError: It is larger, or its topic deeper, than AWS IoT Core takes.
            TransportError: The broker did not acknowledge it: it may or may not have it.
        """
        ...

    def subscribe(self, pattern: str, handler: Handler) -> None:
        """Call *handler* for each message whose topic matches *pattern*, from now on.

        Deliveries may come twice, and out of order.
        """
        ...

    def take(self, pattern: str, taker: Taker) -> None:
        """Like `subscribe`, but a message comes again, at the next connect, until acknowledged.

        *taker*, or whom it hands the message on to, calls what it gets with it, once the message
        is where it will not be lost. The broker sends no more than 100 that are not acknowledged.
        """
        ...

    def on_connected(self, handler: Callable[[], None]) -> None:
        """Call *handler* each time the link stands again, subscriptions included."""
        ...


def check_publish(topic: str, payload: bytes) -> None:
    """Check what AWS IoT Core would disconnect us for.

    Raises:
        MessageError: It is too large, or its topic too long or too deep.
    """
    check_topic(topic)
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise MessageError(f"{len(payload)} bytes are over the limit of {MAX_PAYLOAD_BYTES}")


def matches(pattern: str, topic: str) -> bool:
    """Tell whether *topic* is one of *pattern*'s, `+` being any level and `#` all that follow.

    Source: MQTT 5, section 4.7.
    """
    levels, names = pattern.split("/"), topic.split("/")
    if names[0].startswith("$") and levels[0] in ("+", "#"):
        return False
    if levels[-1] == "#":
        levels = levels[:-1]
        names = names[: len(levels)]
    return len(levels) == len(names) and all(
        level in ("+", name) for level, name in zip(levels, names, strict=True)
    )
