"""An operator's MQTT client: what the IoT console's test client is on AWS, on any broker.

Built on paho-mqtt, not on the SDK that the agent uses, so that a second, independent implementation
speaks our contract every day.
"""

import queue
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from sightline.errors import ConfigError, MessageError, TransportError
from sightline.messages import MAX_PAYLOAD_BYTES
from sightline.topics import check_topic

MAX_FILTERS = 8  # in one SUBSCRIBE, to AWS IoT Core


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where the broker is, and the certificate that opens it."""

    host: str
    port: int
    ca: Path
    certificate: Path
    private_key: Path
    client_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One message, as it came."""

    topic: str
    payload: bytes
    retained: bool
    at: datetime


class OperatorClient:
    """One connection, open from `__enter__` to `__exit__`. Threads: any.

    Raises:
        ConfigError: A file is missing or no certificate, or the broker refuses the certificate.
        TransportError: The broker is out of reach.
    """

    def __init__(self, broker: Broker, *, timeout_s: float = 10):
        self._broker = broker
        self._timeout_s = timeout_s
        self._connected: queue.Queue[ReasonCode | str] = queue.Queue()
        self._received: queue.Queue[Received | TransportError] = queue.Queue()
        self._answers: dict[int, queue.Queue[list[ReasonCode]]] = {}
        self._answers_lock = threading.Lock()
        client = paho.Client(
            CallbackAPIVersion.VERSION2, broker.client_id, protocol=MQTTProtocolVersion.MQTTv5
        )
        client.on_connect = self._on_connect
        client.on_connect_fail = lambda *_: self._connected.put("no connection")
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        self._client = client

    def __enter__(self) -> Self:
        broker = self._broker
        try:
            context = ssl.create_default_context(cafile=str(broker.ca))
            context.load_cert_chain(broker.certificate, broker.private_key)
        except (OSError, ssl.SSLError) as err:
            raise ConfigError(
                f"the operator's certificate in {broker.certificate.parent} cannot be used: {err}"
            ) from err
        self._client.tls_set_context(context)
        where = f"the broker at {broker.host}:{broker.port}"
        try:
            self._client.connect(broker.host, broker.port, keepalive=30)
        except (OSError, ssl.SSLError) as err:
            raise TransportError(f"{where} is out of reach: {err}; is the stack up?") from err
        self._client.loop_start()
        try:
            reason = self._connected.get(timeout=self._timeout_s)
        except queue.Empty:
            self.__exit__(None, None, None)
            raise TransportError(f"{where} did not answer in {self._timeout_s:g} s") from None
        if isinstance(reason, str) or reason.is_failure:
            self.__exit__(None, None, None)
            raise ConfigError(f"{where} refuses {broker.client_id!r}: {reason}")
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def subscribe(self, filters: Sequence[str]) -> None:
        """Ask for what matches *filters*, and wait until the broker granted them.

        Raises:
            ConfigError: The broker refuses one.
            MessageError: A filter breaks the broker's limits.
        """
        if not 1 <= len(filters) <= MAX_FILTERS:
            raise MessageError(f"{len(filters)} filters; a SUBSCRIBE takes 1 to {MAX_FILTERS}")
        wanted = [(check_topic(name), SubscribeOptions(qos=1)) for name in filters]
        with self._answers_lock:  # held over the call: the answer may come before it returns
            try:
                _, mid = self._client.subscribe(wanted)
            except ValueError as err:
                raise MessageError(f"{', '.join(filters)}: {err}") from err
            answer = self._answers[mid or 0] = queue.Queue()
        for name, reason in zip(filters, self._wait(answer, mid or 0), strict=True):
            if reason.is_failure:
                raise ConfigError(f"the broker refuses a subscription to {name!r}: {reason}")

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish at QoS 1, and wait for the PUBACK.

        Raises:
            ConfigError: The broker refuses the topic.
            MessageError: Topic or payload break the broker's limits.
            TransportError: There was no PUBACK in time.
        """
        check_topic(topic)
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise MessageError(f"{len(payload)} bytes are over the limit of {MAX_PAYLOAD_BYTES}")
        with self._answers_lock:
            try:
                mid = self._client.publish(topic, payload, qos=1, retain=retain).mid
            except ValueError as err:
                raise MessageError(f"{topic}: {err}") from err
            answer = self._answers[mid] = queue.Queue()
        (reason,) = self._wait(answer, mid)
        if reason.is_failure:
            raise ConfigError(f"the broker refuses a publish to {topic!r}: {reason}")

    def messages(self, *, seconds: float | None = None) -> Iterator[Received]:
        """Give what comes, until *seconds* are over (None: for ever).

        Raises:
            TransportError: The connection broke.
        """
        end = None if seconds is None else time.monotonic() + seconds
        while end is None or time.monotonic() < end:
            # Short waits, since Queue.get without a time-out cannot be interrupted on all systems.
            wait_s = 0.5 if end is None else max(0.0, min(0.5, end - time.monotonic()))
            try:
                received = self._received.get(timeout=wait_s)
            except queue.Empty:
                continue
            if isinstance(received, TransportError):
                raise received
            yield received

    def _wait(self, answer: "queue.Queue[list[ReasonCode]]", mid: int) -> list[ReasonCode]:
        try:
            return answer.get(timeout=self._timeout_s)
        except queue.Empty:
            raise TransportError(
                f"the broker did not acknowledge in {self._timeout_s:g} s"
            ) from None
        finally:
            with self._answers_lock:
                self._answers.pop(mid, None)

    def _answer(self, mid: int, reasons: list[ReasonCode]) -> None:
        with self._answers_lock:
            answer = self._answers.get(mid)
        if answer is not None:
            answer.put(reasons)

    def _on_connect(
        self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _props: Any
    ) -> None:
        self._connected.put(reason)

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _props: Any
    ) -> None:
        if reason.is_failure:
            self._connected.put(str(reason))
            self._received.put(TransportError(f"the broker closed the connection: {reason}"))

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        self._received.put(
            Received(
                topic=message.topic,
                payload=bytes(message.payload),
                retained=message.retain,
                at=datetime.now(UTC),
            )
        )

    def _on_subscribe(
        self,
        _client: paho.Client,
        _data: Any,
        mid: int,
        reasons: list[ReasonCode],
        _props: Properties | None,
    ) -> None:
        self._answer(mid, reasons)

    def _on_publish(
        self,
        _client: paho.Client,
        _data: Any,
        mid: int,
        reason: ReasonCode,
        _props: Properties | None,
    ) -> None:
        self._answer(mid, [reason])
