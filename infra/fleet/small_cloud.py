"""A cloud that fits into this process: the function's own code between mosquitto and a small store.

References are read, checked, answered and remembered by `cloud.recognize` and `cloud.recognition`;
only the networks are left out. The recogniser here finds nobody in any frame, in no time: what is
tested with it is delivery.
"""

import base64
import queue
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from cloud.answer import answer_topic
from cloud.gallery import GalleryCache
from cloud.memory import MemoryRegister, MemorySightings
from cloud.recognition import Ports, Recognition
from cloud.recognize import handle
from infra.fleet.line import Address
from infra.fleet.mosquitto import CLOUD
from infra.fleet.small_store import SmallStore
from infra.local.authority import Authority
from sightline.errors import TransportError
from sightline.faces.image import Frame
from sightline.faces.recognizer import Sight
from sightline.messages import FrameRecognized, FrameRejected, encode
from sightline.topics import every

Answer = FrameRecognized | FrameRejected
_CONNECT_S = 10.0


class LightEngine:
    """Facts of an engine that compares nothing, and the recogniser that finds nobody."""

    id = "light@1"
    dimension = 1
    threshold = margin = doubt = 0.1

    def see(self, frame: Frame) -> Sight:  # noqa: ARG002
        """Find nobody."""
        return Sight(faces=(), detect_ms=0.0, embed_ms=0.0)


class SmallCloud:
    """Answers from `__enter__` to `__exit__`, and reconnects by itself.

    A reference is acknowledged when its answer is with the client that is to send it, and that
    sends it again until the broker has it: a broker that is killed costs no answer.
    """

    def __init__(
        self,
        authority: Authority,
        broker: Address,
        store: SmallStore,
        folder: Path,
        *,
        heard: Callable[[Answer], None] = lambda _: None,
    ) -> None:
        """Prepare.

        Args:
            folder: Gets the cloud's certificate.
            heard: Told of each answer that is sent, in the client's thread.
        """
        self._broker = broker
        self._heard = heard
        self._connected: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._recognition = self._recognition_on(store)
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            CLOUD,
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
        )
        certificate, key = folder / "cloud.pem", folder / "cloud.key"
        authority.write_client_certificate(CLOUD, certificate, key)
        context = ssl.create_default_context(cadata=authority.pem)
        context.load_cert_chain(certificate, key)
        self._client.tls_set_context(context)
        self._client.reconnect_delay_set(1, 1)
        self._client.max_inflight_messages_set(100)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._connected.put(True)
        self._client.on_message = self._on_message

    def __enter__(self) -> Self:
        """Connect, and wait until references would be heard.

        Raises:
            TransportError: The broker does not take us.
        """
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        session.SessionExpiryInterval = 3600
        host, port = self._broker
        self._client.connect(host, port, keepalive=30, clean_start=False, properties=session)
        self._client.loop_start()
        try:
            self._connected.get(timeout=_CONNECT_S)
        except queue.Empty:
            self.__exit__(None, None, None)
            raise TransportError(f"the broker at {host}:{port} does not take the cloud") from None
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, message: Answer) -> None:
        """See `cloud.recognition.Results`."""
        self._client.publish(answer_topic(message), encode(message), qos=1)
        self._heard(message)

    def _recognition_on(self, store: SmallStore) -> Recognition:
        engine = LightEngine()
        ports = Ports(
            frames=store,
            sightings=MemorySightings(),
            results=self,
            gallery=GalleryCache(MemoryRegister(), engine=engine.id, dimension=engine.dimension),
            recognizer=engine,
            engine=engine,
        )
        return Recognition(ports, sighting_days=1, now=lambda: datetime.now(UTC), sleep=time.sleep)

    def _on_connect(
        self, client: paho.Client, _data: Any, _flags: Any, _reason: Any, _props: Any
    ) -> None:
        client.subscribe([(every("frames"), SubscribeOptions(qos=1))])

    def _on_message(self, client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        event = {  # as the topic rule selects it
            "payload": base64.b64encode(message.payload).decode(),
            "topic": message.topic,
            "client": "unknown",
            "received_ms": int(time.time() * 1000),
        }
        handle(event, lambda: self._recognition, lambda: self)
        client.ack(message.mid, message.qos)


class Heard:
    """Collects answers, and lets others wait for them. Threads: any."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._answers: list[Answer] = []

    def __call__(self, answer: Answer) -> None:
        """Add one."""
        with self._changed:
            self._answers.append(answer)
            self._changed.notify_all()

    def all(self) -> list[Answer]:
        """Give all so far."""
        with self._changed:
            return list(self._answers)

    def wait(self, count: int, timeout_s: float) -> bool:
        """Wait until there are *count*; False if there are not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._answers) >= count, timeout_s)
