"""What devices said last, as the broker keeps it."""

from uuid import uuid4

import pytest
from boto3.session import Session

from cloud import aws
from cloud.http.last_words import LastWords
from infra.local.ministack.server import MiniStackServer
from sightline.messages import DeviceStatus, encode
from tests.cloud.fakes import NOON


@pytest.fixture
def iot(ministack: MiniStackServer, session: Session) -> aws.Client:
    return aws.client(session, "iot-data", ministack.url)


def test_devices_are_those_whose_status_is_kept(iot: aws.Client) -> None:
    name = f"door-{uuid4()}"
    status = DeviceStatus(device=name, state="offline", at=NOON, version="1.0")
    iot.publish(topic=f"sightline/v1/{name}/status", qos=1, retain=True, payload=encode(status))
    iot.publish(topic=f"sightline/v1/{name}-2/status", qos=1, retain=True, payload=b"{}")
    iot.publish(topic=f"{name}/of/others", qos=1, retain=True, payload=b"x")
    words = LastWords(iot)

    ours = [device for device in words.devices() if device.startswith(name)]
    assert ours == [name, f"{name}-2"]
    assert words.of(name) == status
    assert words.of(f"{name}-2") is None  # of another version: it cannot be read
    assert words.of(f"{name}-3") is None  # taken back just now
