"""MQTT topics: `sightline/v1/<device>/<channel>`, the device being the IoT thing's name.

| channel    | from → to         | QoS | retained | message           |
|------------|-------------------|-----|----------|-------------------|
| `frames`   | device → cloud    | 1   | no       | `FrameCaptured`   |
| `results`  | cloud → device    | 1   | no       | `FrameRecognized` |
| `errors`   | cloud → device    | 1   | no       | `FrameRejected`   |
| `status`   | device → all      | 1   | yes      | `DeviceStatus`    |
| `commands` | operator → device | 1   | no       | `Command`         |
"""

import re
from typing import Literal, cast, get_args

from sightline.errors import MessageError

Channel = Literal["frames", "results", "errors", "status", "commands"]

PREFIX = "sightline/v1"

# AWS IoT Core's limits, which hold on every transport and are checked before anything is sent:
# it disconnects a client that goes over them, and says nothing.
MAX_TOPIC_BYTES = 256
MAX_TOPIC_SLASHES = 7

_DEVICE = re.compile(r"[A-Za-z0-9_-]{1,64}")  # as an IoT thing, less ':', which is awkward in keys


def check_device(name: str) -> str:
    """Return *name* if it can be a device's.

    Raises:
        MessageError: It cannot stand as one level of a topic and one of a key.
    """
    if not _DEVICE.fullmatch(name):
        raise MessageError(f"device {name!r} is not 1 to 64 of A-Z a-z 0-9 _ -")
    return name


def topic(device: str, channel: Channel) -> str:
    """Write the topic of one device's *channel*.

    Raises:
        MessageError: *device* cannot be a device's name.
    """
    return f"{PREFIX}/{check_device(device)}/{channel}"


def through(rule: str, topic: str) -> str:
    """Write *topic* as Basic Ingest has it: past the broker, straight to that topic rule.

    The rule sees *topic* alone, and nobody else sees anything.
    """
    return f"$aws/rules/{rule}/{topic}"


def every(channel: Channel) -> str:
    """Write the filter that matches *channel* of every device."""
    return f"{PREFIX}/+/{channel}"


def parse(topic: str) -> tuple[str, Channel]:
    """Read the device and the channel out of a topic.

    Raises:
        MessageError: It is not one of ours.
    """
    device, _, channel = topic.removeprefix(f"{PREFIX}/").partition("/")
    if not topic.startswith(f"{PREFIX}/") or channel not in get_args(Channel):
        raise MessageError(f"topic {topic!r} is not {PREFIX}/<device>/<channel>")
    return check_device(device), cast(Channel, channel)


def check_topic(topic: str) -> str:
    """Return *topic* (or topic filter) if the broker takes it.

    Raises:
        MessageError: It is empty, too long or too deep for AWS IoT Core.
    """
    if not topic or "\0" in topic:
        raise MessageError(f"topic {topic!r} is empty or holds a null character")
    if len(topic.encode()) > MAX_TOPIC_BYTES:
        raise MessageError(f"a topic of {len(topic.encode())} bytes is over {MAX_TOPIC_BYTES}")
    if topic.count("/") > MAX_TOPIC_SLASHES:
        raise MessageError(f"topic {topic!r} has more than {MAX_TOPIC_SLASHES} slashes")
    return topic
