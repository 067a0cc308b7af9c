"""What the broker here lets a device do is what the IoT policy does."""

import socket
from contextlib import suppress

import pytest

from device.network import identity
from device.network.iot_link import IotLink
from device.settings import IotSettings, Settings
from infra.fleet.small_ground import SmallGround
from sightline.errors import SightlineError, TransportError
from sightline.topics import topic
from tests.listeners import listeners


def link_of(ground: SmallGround, thing: str) -> IotLink:
    settings: IotSettings = Settings.read(ground.provision(thing)).iot
    return IotLink(settings, identity.load(settings), thing)


def test_a_device_may_speak_for_itself_alone(ground: SmallGround) -> None:
    with link_of(ground, "door") as link:
        link.publish(topic("door", "status"), b"{}")
        with pytest.raises((SightlineError, TransportError), match="yard"):
            link.publish(topic("yard", "frames"), b"{}")


def test_the_broker_listens_on_loopback_alone(ground: SmallGround) -> None:
    assert ground.broker.pid is not None
    assert listeners([ground.broker.pid]) == {("0100007F", ground.broker.port)}


def test_who_shows_no_certificate_gets_no_connection(ground: SmallGround) -> None:
    with socket.create_connection(("127.0.0.1", ground.broker.port), 5) as plain:
        plain.settimeout(5)
        plain.sendall(b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00")
        with suppress(ConnectionResetError):
            assert plain.recv(64)[:1] != b"\x20"  # a CONNACK
