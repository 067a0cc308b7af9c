"""One connection to the broker, step by step: each step waits for the broker's word on it.

For whoever wants to know what the broker says (the doctor, `verify-on-aws`). The agent itself runs
on `device.network.iot_link`, which reconnects, and tells its log.
"""

import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeoutError
from types import TracebackType
from typing import Any, Self

from awscrt import mqtt5
from awscrt.exceptions import AwsCrtError

from device.clock import utc_now
from device.network import diagnosis, mqtt_client, reasons
from device.network.identity import Identity
from device.network.link import check_publish
from device.remote.status import last_will
from device.settings import IotSettings
from sightline.errors import ConfigError, SightlineError, TransportError
from sightline.topics import topic

CONNECT_S = 15.0
STOP_S = 5.0

Received = tuple[str, bytes]  # topic, payload


class Session:
    """Connected from `__enter__` to `__exit__`. Threads: any.

    The client id is the thing's name, for the policy wants that: an agent that runs with the same
    certificate is thrown out, and throws this one out when it comes back. The broker's session is
    taken up and left as an agent's is, so that its subscriptions outlive us.
    """

    def __init__(self, settings: IotSettings, identity: Identity, thing: str) -> None:
        self._settings = settings
        self._identity = identity
        self.thing = thing
        self._where = f"{settings.endpoint}:{settings.port}"
        self._outcome: queue.SimpleQueue[SightlineError | None] = queue.SimpleQueue()
        self._stopped, self._lost = threading.Event(), threading.Event()
        self._why = ""
        self._received: queue.SimpleQueue[Received] = queue.SimpleQueue()
        self._client: Any = None

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            ConfigError: The broker refuses this certificate, or this client id.
            TransportError: It cannot be reached, or is in trouble.
        """
        self._client = mqtt_client.build(
            self._settings,
            self._identity,
            self.thing,
            topic(self.thing, "status"),
            last_will(self.thing, utc_now()),
            on_publish_received=self._receive,
            on_lifecycle_connection_success=lambda _: self._outcome.put(None),
            on_lifecycle_connection_failure=self._failed,
            on_lifecycle_disconnection=self._disconnected,
            on_lifecycle_stopped=lambda _: self._stopped.set(),
        )
        self._client.start()
        try:
            problem = self._outcome.get(timeout=CONNECT_S)
        except queue.Empty:
            problem = TransportError(f"{self._where} does not answer in {CONNECT_S:g} s")
        if problem is not None:
            self._close()
            raise problem
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._close()

    def publish(self, where: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish, and wait for the PUBACK.

        Raises:
            MessageError: AWS IoT Core would disconnect us for it.
            TransportError: The broker refuses it, or does not acknowledge.
        """
        check_publish(where, payload)
        packet = mqtt5.PublishPacket(
            topic=where,
            payload=payload,
            qos=mqtt5.QoS.AT_LEAST_ONCE,
            retain=retain,
            content_type="application/json",
            payload_format_indicator=mqtt5.PayloadFormatIndicator.AWS_MQTT5_PFI_UTF8,
        )
        done = self._wait(lambda: self._client.publish(packet), where)
        reasons.check_puback(int(done.puback.reason_code), where)

    def subscribe(self, *filters: str) -> None:
        """Subscribe, and wait for the SUBACK.

        Raises:
            TransportError: The broker refuses one of *filters*, or does not acknowledge.
        """
        packet = mqtt5.SubscribePacket(
            [mqtt5.Subscription(topic_filter=each, qos=mqtt5.QoS.AT_LEAST_ONCE) for each in filters]
        )
        done = self._wait(lambda: self._client.subscribe(packet), ", ".join(filters))
        refused = reasons.refused_filters([int(code) for code in done.reason_codes], filters)
        if refused is not None:
            raise TransportError(refused)

    def receive(self, timeout_s: float) -> Received | None:
        """Wait for the next message; None: none came in time."""
        try:
            return self._received.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            return None

    def lost(self, timeout_s: float) -> str | None:
        """Wait for the broker to end the connection, and give its word; None: it stands."""
        return self._why if self._lost.wait(timeout_s) else None

    def _wait(self, begin: Callable[[], Any], what: str) -> Any:
        if self._lost.is_set():
            raise TransportError(self._why)
        try:
            return begin().result(mqtt_client.ACK_TIMEOUT_S + 5)
        except (AwsCrtError, FutureTimeoutError) as err:
            # Why there is no connection any more says more than that there is none.
            if self._lost.wait(1.0):
                raise TransportError(self._why) from err
            name = err.name if isinstance(err, AwsCrtError) else "AWS_ERROR_MQTT_TIMEOUT"
            raise reasons.lost_operation(name, what) from err

    # What the client calls, in its own thread, which must not wait for anything of the client's.

    def _receive(self, data: Any) -> None:
        packet = data.publish_packet
        self._received.put((packet.topic, bytes(packet.payload or b"")))

    def _failed(self, data: Any) -> None:
        said = data.exception.name if isinstance(data.exception, AwsCrtError) else "no reason given"
        packet = data.connack_packet
        if packet is not None:
            self._outcome.put(reasons.connack(int(packet.reason_code), self.thing, self._where))
            return
        # In a thread of its own: to ask Python's TLS for the reason takes seconds.
        threading.Thread(target=self._explain, args=(said,), daemon=True).start()

    def _explain(self, said: str) -> None:
        problem: SightlineError
        try:
            diagnosis.probe(
                self._identity, self._settings.endpoint, self._settings.port, listen_s=2.0
            )
            problem = ConfigError(reasons.no_connection(said, self.thing, self._where))
        except SightlineError as err:
            problem = err
        self._outcome.put(problem)

    def _disconnected(self, data: Any) -> None:
        packet = data.disconnect_packet
        code = None if packet is None else int(packet.reason_code)
        said = data.exception.name if isinstance(data.exception, AwsCrtError) else "no reason given"
        self._why = reasons.disconnect(code, self.thing, self._where, said)
        self._lost.set()

    def _close(self) -> None:
        with contextlib.suppress(AwsCrtError):
            self._client.stop(
                mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.NORMAL_DISCONNECTION)
            )
            self._stopped.wait(STOP_S)
