"""Who may do what at the broker, asked over mutual TLS by a client that is not the agent's."""

import queue
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from infra.local.authority import Authority
from infra.provision import provision, provision_operator
from infra.provisioning.rotation import revoke
from infra.target import Target
from sightline.topics import topic

pytestmark = pytest.mark.stack
SECONDS = 15
NOT_AUTHORIZED = 0x87


def silent(_: str) -> None: ...


class Client:
    """A connection whose every answer can be waited for."""

    def __init__(self, target: Target, folder: Path, client_id: str) -> None:
        self._answers: queue.Queue[ReasonCode] = queue.Queue()
        self.messages: queue.Queue[paho.MQTTMessage] = queue.Queue()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.on_connect = lambda c, d, f, reason, p: self._answers.put(reason)
        # A broker may also hang up instead of answering.
        self._client.on_disconnect = lambda c, d, f, reason, p: self._answers.put(reason)
        self._client.on_publish = lambda c, d, m, reason, p: self._answers.put(reason)
        self._client.on_subscribe = lambda c, d, m, reasons, p: self._answers.put(reasons[0])
        self._client.on_message = lambda c, d, message: self.messages.put(message)
        context = ssl.create_default_context(cafile=folder / "ca.pem")
        context.load_cert_chain(folder / "certificate.pem", folder / "private.key")
        self._client.tls_set_context(context)
        endpoints = target.endpoints()
        self._client.connect(endpoints.mqtt_host, endpoints.mqtt_port)
        self._client.loop_start()
        self.connected = self._answers.get(timeout=SECONDS)

    def publish(self, name: str, payload: bytes = b"{}", **more: Any) -> int:
        self._client.publish(name, payload, qos=1, **more)
        return self._answers.get(timeout=SECONDS).value

    def subscribe(self, name: str) -> int:
        self._client.subscribe(name, qos=1)
        return self._answers.get(timeout=SECONDS).value

    def ended(self) -> ReasonCode:
        """Wait for the broker to hang up."""
        return self._answers.get(timeout=SECONDS)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def connected(target: Target, folder: Path, client_id: str) -> Iterator[Client]:
    client = Client(target, folder, client_id)
    try:
        yield client
    finally:
        client.close()


@pytest.fixture(scope="module")
def gate(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("devices") / "gate"
    return provision("gate", target=target, folder=folder, say=silent).folder


@pytest.fixture(scope="module")
def operator(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("operators") / "operator"
    return provision_operator(target=target, folder=folder, say=silent).folder


def test_a_device_has_its_own_channels(target: Target, gate: Path) -> None:
    with connected(target, gate, "gate") as client:
        assert client.subscribe(topic("gate", "results")) < 0x80
        assert client.subscribe(topic("gate", "commands")) < 0x80
        assert client.publish(topic("gate", "frames"), b'{"key": "k"}') < 0x80
        assert client.publish(topic("gate", "status"), retain=True) < 0x80
        assert client.publish("$aws/things/gate/shadow/get", b"") < 0x80

        answer = client.messages.get(timeout=SECONDS)
        assert answer.topic == topic("gate", "results")
        assert b'"client": "gate"' in answer.payload


def test_a_device_has_nobody_elses(target: Target, gate: Path) -> None:
    with connected(target, gate, "gate") as client:
        assert client.publish(topic("other", "frames")) == NOT_AUTHORIZED
        assert client.publish(topic("gate", "results")) == NOT_AUTHORIZED
        assert client.publish(topic("gate", "commands")) == NOT_AUTHORIZED
        assert client.subscribe(topic("other", "results")) == NOT_AUTHORIZED
        assert client.subscribe("sightline/v1/+/results") == NOT_AUTHORIZED
        assert client.subscribe("#") == NOT_AUTHORIZED


def test_a_device_cannot_go_by_another_name(target: Target, gate: Path) -> None:
    with connected(target, gate, "other") as client:
        assert client.connected.is_failure


def test_an_operator_sees_all_and_sends_what_is_the_operators(
    target: Target, operator: Path
) -> None:
    with connected(target, operator, "sightline-operator-1") as client:
        assert client.subscribe("sightline/v1/+/results") < 0x80
        assert client.publish(topic("gate", "commands")) < 0x80
        assert client.publish(topic("porch", "frames"), b'{"key": "k"}') < 0x80
        assert client.publish(topic("gate", "results")) == NOT_AUTHORIZED
        assert client.publish(topic("gate", "status")) == NOT_AUTHORIZED
        assert client.subscribe("$aws/things/gate/shadow/get/accepted") == NOT_AUTHORIZED

        assert client.messages.get(timeout=SECONDS).topic == topic("porch", "results")


def test_an_operator_cannot_pass_for_a_device(target: Target, operator: Path) -> None:
    with connected(target, operator, "gate") as client:
        assert client.connected.is_failure


def test_a_revoked_certificate_is_refused(target: Target, tmp_path: Path) -> None:
    made = provision("lost", target=target, folder=tmp_path / "lost", say=silent)
    target.client("iot").update_certificate(certificateId=made.certificate_id, newStatus="REVOKED")

    with connected(target, made.folder, "lost") as client:
        assert client.connected.is_failure


def is_hung_up_on(target: Target, context: ssl.SSLContext) -> bool:
    """Connect and say nothing; a broker that takes the certificate would wait for more."""
    endpoints = target.endpoints()
    address = (endpoints.mqtt_host, endpoints.mqtt_port)
    with (
        socket.create_connection(address, timeout=SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=endpoints.mqtt_host) as secured,
    ):
        # With TLS 1.3 a client's handshake is over before the server has seen its certificate.
        try:
            return secured.recv(1) == b""
        except (ssl.SSLError, ConnectionError):
            return True


def test_nobody_comes_in_without_a_certificate(target: Target, gate: Path) -> None:
    context = ssl.create_default_context(cafile=gate / "ca.pem")

    assert is_hung_up_on(target, context)


def test_nobody_comes_in_with_a_certificate_of_their_own_making(
    target: Target, gate: Path, tmp_path: Path
) -> None:
    Authority(tmp_path).write_server_certificate(tmp_path / "own.pem")
    context = ssl.create_default_context(cafile=gate / "ca.pem")
    context.load_cert_chain(tmp_path / "own.pem")

    assert is_hung_up_on(target, context)


def test_a_broker_of_another_authority_is_not_believed(target: Target, tmp_path: Path) -> None:
    (tmp_path / "other.pem").write_text(Authority(tmp_path).pem)
    context = ssl.create_default_context(cafile=tmp_path / "other.pem")

    with pytest.raises(ssl.SSLCertVerificationError):
        is_hung_up_on(target, context)


def test_a_filter_subscribed_to_again_is_heard_once(target: Target, gate: Path) -> None:
    with connected(target, gate, "gate") as client:
        for _ in range(3):
            assert client.subscribe(topic("gate", "results")) < 0x80
        for mark in (b'{"key": "first"}', b'{"key": "second"}'):
            assert client.publish(topic("gate", "frames"), mark) < 0x80

        answers = [client.messages.get(timeout=SECONDS).payload for _ in range(2)]

        assert answers[0] != answers[1], "the first was delivered once more"


def test_a_session_ends_when_its_certificate_is_revoked_and_no_others_does(
    target: Target, gate: Path, tmp_path: Path
) -> None:
    made = provision("cellar", target=target, folder=tmp_path / "cellar", say=silent)
    with (
        connected(target, gate, "gate") as other,
        connected(target, made.folder, "cellar") as client,
    ):
        revoke("cellar", target=target, say=silent)

        assert client.ended() is not None
        assert other.publish(topic("gate", "frames"), b'{"key": "k"}') < 0x80
