"""How a camera of a fleet gets its own certificate: names that device, cloud and template share.

Each card of a fleet carries the same claim certificate, which may do nothing but this:

1. the device makes a key, and sends a request for its certificate (a CSR) on `CSR_TOPIC`;
2. with the answer's ownership token and its serial number it asks on `register_topic` to become a
   thing; AWS IoT asks `cloud/admit.py` whether that serial number may, and under which name;
3. from then on it uses its own certificate, with which it may do the same again to renew it.

Answers come on the request's topic and `/accepted` or `/rejected`.
Source: AWS IoT Core developer guide, "Device provisioning MQTT API".
"""

import re

from sightline.errors import MessageError
from sightline.topics import check_device

CSR_TOPIC = "$aws/certificates/create-from-csr/json"
CLAIM_CLIENTS = "sightline-claim-"  # how a client id begins that ClaimPolicy lets connect

# The provisioning template's parameters: the device gives one, the cloud the other.
SERIAL_PARAMETER = "SerialNumber"
THING_PARAMETER = "ThingName"

_SERIAL = re.compile(r"[A-Za-z0-9:._-]{1,64}")  # a Pi's has 16 hex digits; a MAC address fits, too


def register_topic(template: str) -> str:
    """Write the topic on which a device asks to become a thing by a provisioning template."""
    return f"$aws/provisioning-templates/{template}/provision/json"


def check_serial(serial: str) -> str:
    """Return *serial* if it can be a device's serial number.

    Raises:
        MessageError: It cannot.
    """
    if not _SERIAL.fullmatch(serial):
        raise MessageError(f"serial number {serial!r} is not 1 to 64 of A-Z a-z 0-9 : . _ -")
    return serial


def check_thing(name: str) -> str:
    """Return *name* if a device can be called that.

    Raises:
        MessageError: It cannot stand in a topic, or a card with a claim might connect under it.
    """
    if name.startswith(CLAIM_CLIENTS):
        raise MessageError(f"device {name!r}: what begins with {CLAIM_CLIENTS} is for claims")
    return check_device(name)


def thing_of(serial: str) -> str:
    """Give the name of a device that nobody has named: its serial number, fit for a topic.

    Raises:
        MessageError: *serial* is no serial number.
    """
    return check_thing(re.sub(r"[:.]", "-", check_serial(serial)))


def claim_client_id(serial: str) -> str:
    """Give the client id of a device that has no certificate of its own yet.

    Raises:
        MessageError: *serial* is no serial number.
    """
    return CLAIM_CLIENTS + re.sub(r"[:.]", "-", check_serial(serial))
