"""The link: its rules, what ships in the process, and the words for what a broker says."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.network import reasons
from device.network.identity import Identity
from device.network.iot_link import IotLink
from device.network.link import matches
from device.network.local_link import LocalLink
from device.remote.status import last_will
from device.settings import IotSettings
from sightline.errors import ConfigError, MessageError, TransportError
from sightline.messages import MAX_PAYLOAD_BYTES, DeviceStatus, decode
from tests.device.fakes import NOON


@pytest.mark.parametrize(
    ("pattern", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("+/b", "a/b", True),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("#", "a/b", True),
        ("#", "$aws/things", False),
        ("+/things", "$aws/things", False),
        ("$aws/#", "$aws/things", True),
        ("a", "b", False),
        ("a/b/c", "a/b", False),
        ("+", "", True),
    ],
)
def test_filters_match_as_mqtt_says(pattern: str, topic: str, expected: bool) -> None:
    assert matches(pattern, topic) is expected


@given(st.lists(st.text("ab", max_size=2), min_size=1, max_size=5))
def test_a_topic_matches_itself_and_all_that_is_above_it(levels: list[str]) -> None:
    topic = "/".join(levels)
    assert matches(topic, topic)
    assert matches("/".join("+" * len(levels)), topic)
    assert all(matches("/".join([*levels[:i], "#"]), topic) for i in range(len(levels) + 1))


def test_a_local_link_delivers_to_who_has_subscribed_and_keeps_what_is_retained() -> None:
    link, heard = LocalLink(), list[tuple[str, bytes]]()
    link.publish("a/status", b"old", retain=True)
    link.publish("a/status", b"new", retain=True)
    link.publish("a/frames", b"not kept")
    link.subscribe("a/+", lambda topic, payload: heard.append((topic, payload)))
    link.publish("a/frames", b"frame")
    link.publish("b/frames", b"elsewhere")

    assert heard == [("a/status", b"new"), ("a/frames", b"frame")]


def test_a_local_link_always_stands() -> None:
    called: list[int] = []
    LocalLink().on_connected(lambda: called.append(1))
    assert called == [1]


def test_what_the_broker_had_kept_for_us_is_not_lost_before_we_subscribe() -> None:
    nowhere, heard = Path("/nowhere"), list[tuple[str, bytes]]()
    link = IotLink(
        IotSettings(endpoint="127.0.0.1", ca=nowhere, certificate=nowhere, private_key=nowhere),
        Identity(ca=nowhere, certificate=nowhere, private_key=nowhere),
        "front-door",
        will_topic="a/status",
        will=bytes,
    )
    # As the client calls it in its thread, at once after the connect.
    packet = SimpleNamespace(topic="a/b", payload=b"kept")
    link._receive(
        SimpleNamespace(publish_packet=packet, acquire_publish_acknowledgement_control=None)
    )
    link.subscribe("a/b", lambda *each: heard.append(each))

    assert heard == [("a/b", b"kept")]


@pytest.mark.parametrize("topic", ["", "a" * 257, "/".join("a" * 9), "a\0b"])
def test_what_aws_would_disconnect_us_for_is_not_sent(topic: str) -> None:
    with pytest.raises(MessageError):
        LocalLink().publish(topic, b"")
    with pytest.raises(MessageError):
        LocalLink().subscribe(topic, lambda *_: None)
    with pytest.raises(MessageError, match="over the limit"):
        LocalLink().publish("a", b"x" * (MAX_PAYLOAD_BYTES + 1))


@pytest.mark.parametrize("code", [0x00, 0x10, 0x7F])
def test_an_acknowledgement_below_0x80_is_one(code: int) -> None:
    reasons.check_puback(code, "a")


@pytest.mark.parametrize(
    ("code", "expected"),
    [(0x87, r"not authorized \(0x87\); does the policy"), (0x97, "quota"), (0xEE, "reason")],
)
def test_a_refused_publish_says_why(code: int, expected: str) -> None:
    with pytest.raises(TransportError, match=expected):
        reasons.check_puback(code, "sightline/v1/a/frames")


def test_refused_subscriptions_are_named() -> None:
    assert reasons.refused_filters([0, 1], ["a", "b"]) is None
    text = reasons.refused_filters([1, 0x87], ["a", "b"])
    assert text is not None
    assert "b: not authorized" in text
    assert "a:" not in text


def test_a_refused_connection_is_the_operators_if_it_will_be_refused_again() -> None:
    refused = reasons.connack(0x87, "front-door", "broker:8883")
    assert type(refused) is ConfigError
    assert "certificate of thing front-door" in str(refused)
    assert type(reasons.connack(0x89, "front-door", "broker:8883")) is TransportError


def test_a_lost_connection_says_why_if_the_broker_did() -> None:
    assert "only one agent" in reasons.disconnect(0x8E, "a", "broker", "")
    assert "packet too large" in reasons.disconnect(0x95, "a", "broker", "")
    assert "AWS_IO_SOCKET_CLOSED" in reasons.disconnect(None, "a", "broker", "AWS_IO_SOCKET_CLOSED")


def test_a_connection_that_ends_without_a_word_points_to_the_certificate() -> None:
    silent = reasons.no_connection("AWS_ERROR_MQTT_UNEXPECTED_HANGUP", "front-door", "broker")
    assert "certificate" in silent
    assert "not know the certificate, or that was revoked or deactivated" in silent
    assert "`./run doctor`" in silent
    assert "AWS_IO_ELSE" in reasons.no_connection("AWS_IO_ELSE", "front-door", "broker")


def test_a_publish_without_a_connection_says_so() -> None:
    name = "AWS_ERROR_MQTT5_OPERATION_FAILED_DUE_TO_OFFLINE_QUEUE_POLICY"
    assert "no connection" in str(reasons.lost_operation(name, "a"))
    assert "AWS_ERROR_ELSE" in str(reasons.lost_operation("AWS_ERROR_ELSE", "a"))


def test_the_last_will_says_offline_since_when_we_connected() -> None:
    status = decode(DeviceStatus, last_will("front-door", NOON))
    assert (status.device, status.state, status.at) == ("front-door", "offline", NOON)
