"""The link to AWS IoT Core: MQTT 5 over mutual TLS, by awsiotsdk."""

import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from awscrt.exceptions import AwsCrtError

from device.network import diagnosis, mqtt_client, reasons
from device.network.identity import Identity
from device.network.link import Handler, Taker, check_publish
from device.network.outage import Outage
from device.network.routes import Routes
from device.settings import IotSettings
from sightline.errors import ConfigError, SightlineError, TransportError
from sightline.topics import check_topic

log = logging.getLogger(__name__)

FIRST_CONNECT_S = 5.0
STOP_S = 5.0
RESUBSCRIBE_S = 5.0
IDLE_S = 10.0  # the thread that tends it says so often that it is there
SETTLED_S = 2.0  # how long a publish waits for subscriptions; longer, and one is perhaps refused


@dataclass(frozen=True, slots=True)
class _Connected:
    session_present: bool
    again: bool = False  # it is the same connection, and there is more to subscribe to


@dataclass(frozen=True, slots=True)
class _Failed:
    """The connection could not be made, or is lost."""

    code: int | None
    said: str
    was_connected: bool


class IotLink:
    """See `device.network.link.Link`. Open from `__enter__` to `__exit__`; it reconnects by itself.

    Nothing is queued here while there is no connection: the spool keeps frames, and this client's
    own queue would be lost with the process. The broker keeps results for us while we are away.
    """

    def __init__(
        self,
        settings: IotSettings,
        identity: Identity,
        client_id: str,
        *,
        will_topic: str | None = None,
        will: Callable[[], bytes] = bytes,
        alive: Callable[[], None] = lambda: None,
        unattended: bool = False,
    ) -> None:
        """Prepare to connect as *client_id*, which IoT policies want to be the thing's name.

        Args:
            will_topic: Where the broker is to say *will* when we are gone; None: nowhere.
            will: Makes what the broker is to say, retained, when we are gone without a word.
            alive: Hears that the thread which tends the connection goes on.
            unattended: A broker that refuses us is tried again, for nobody sees us end.
        """
        self._settings = settings
        self._identity = identity
        self._client_id = client_id
        self._will_topic, self._will = will_topic, will
        self._alive, self._unattended = alive, unattended
        self._where = f"{settings.endpoint}:{settings.port}"
        self._client: Any = None
        self._routes = Routes()
        self._greeters: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._events: queue.SimpleQueue[_Connected | _Failed | None] = queue.SimpleQueue()
        self._ready = False  # connected, and subscribed to all routes
        self._greeted = False  # and those who want to know have been told
        self._settled = threading.Event()  # nothing is being subscribed to; set while offline
        self._settled.set()
        self._subscribed: set[str] = set()
        self._first = threading.Event()  # how the first attempt ended is known
        self._first_failure: SightlineError | None = None
        self._closing, self._stopped = threading.Event(), threading.Event()
        self._outage = Outage()
        self._retry_s: float | None = None  # when to subscribe again to what was not granted
        self._thread = threading.Thread(target=self._tend, name="link", daemon=True)

    def __enter__(self) -> Self:
        """Connect; if the network is down, go on trying in the background.

        Raises:
            ConfigError: The broker is not who it should be, or refuses us (not if `unattended`);
                or the certificate's files cannot be used.
        """
        try:
            diagnosis.probe(self._identity, self._settings.endpoint, self._settings.port)
        except SightlineError as err:
            if isinstance(err, ConfigError) and not self._unattended:
                raise
            self._outage.fail(str(err))
            self._first.set()
        self._client = mqtt_client.build(
            self._settings,
            self._identity,
            self._client_id,
            self._will_topic,
            self._will(),
            on_publish_received=self._receive,
            on_lifecycle_connection_success=self._connected,
            on_lifecycle_connection_failure=self._failed,
            on_lifecycle_disconnection=self._disconnected,
            on_lifecycle_stopped=lambda _: self._stopped.set(),
        )
        self._thread.start()
        self._client.start()
        self._first.wait(FIRST_CONNECT_S)
        if isinstance(self._first_failure, ConfigError) and not self._unattended:
            self._close()
            raise self._first_failure
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._close()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """See `Link.publish`; an answer that overtook the subscription to it would be lost."""
        check_publish(topic, payload)
        self._settled.wait(SETTLED_S)
        mqtt_client.publish(self._client, topic, payload, retain=retain)

    def subscribe(self, pattern: str, handler: Handler) -> None:
        """See `Link.subscribe`; the broker hears of it now, or at the next connect."""
        check_topic(pattern)
        self._routes.add(pattern, handler)
        self._ask_for_missing()

    def take(self, pattern: str, taker: Taker) -> None:
        """See `Link.take`; the broker hears of it now, or at the next connect."""
        check_topic(pattern)
        self._routes.take(pattern, taker)
        self._ask_for_missing()

    def on_connected(self, handler: Callable[[], None]) -> None:
        """See `Link.on_connected`."""
        with self._lock:
            self._greeters.append(handler)
            ready = self._ready
        if ready:
            handler()

    def trouble(self) -> str | None:
        """Say why there is no connection, or was none until lately; None: it stands."""
        return self._outage.trouble()

    # What the client calls, in its own thread, which must not wait for anything of the client's.

    def _receive(self, data: Any) -> None:
        packet = data.publish_packet
        # QoS 0 has none. Who asks for it says that he acknowledges the message himself.
        control = data.acquire_publish_acknowledgement_control
        handle = control() if control else None
        self._routes.deliver(
            packet.topic, bytes(packet.payload or b""), lambda: self._acknowledge(handle)
        )

    def _acknowledge(self, handle: Any) -> None:
        if handle is None:
            return
        try:
            self._client.invoke_publish_acknowledgement(handle)
        except Exception as err:  # the client raises that very class
            # Of a connection that is lost: the message comes again with the next.
            log.debug("could not acknowledge a message: %s", err)

    def _connected(self, data: Any) -> None:
        self._settled.clear()
        self._events.put(_Connected(session_present=data.connack_packet.session_present))

    def _failed(self, data: Any) -> None:
        packet = data.connack_packet
        code = None if packet is None else int(packet.reason_code)
        self._events.put(_Failed(code, mqtt_client.said(data.exception), was_connected=False))

    def _disconnected(self, data: Any) -> None:
        with self._lock:
            self._ready = False
        self._settled.set()  # whoever publishes now is to be told at once
        packet = data.disconnect_packet
        code = None if packet is None else int(packet.reason_code)
        self._events.put(_Failed(code, mqtt_client.said(data.exception), was_connected=True))

    def _ask_for_missing(self) -> None:
        with self._lock:
            ready = self._ready
        if ready:
            self._settled.clear()
            self._events.put(_Connected(session_present=True, again=True))

    # What the thread "link" does about it.

    def _tend(self) -> None:
        while True:
            self._alive()
            try:
                event = self._events.get(timeout=self._retry_s or IDLE_S)
            except queue.Empty:
                if self._retry_s is None:
                    continue
                event = _Connected(session_present=True, again=True)
            if event is None:
                return
            self._retry_s = None
            if isinstance(event, _Connected):
                self._greet(event)
            else:
                self._explain(event)

    def _greet(self, event: _Connected) -> None:
        self._greeted &= event.again
        if not event.session_present:
            self._subscribed.clear()
        try:
            self._subscribe_to_all()
        except TransportError as err:
            self._retry_s = RESUBSCRIBE_S
            self._settled.set()
            self._outage.fail(str(err))
            return
        finally:
            self._first.set()
        with self._lock:
            self._ready = True
            missing = self._routes.patterns() - self._subscribed
            greeters = list(self._greeters)
        if missing:  # subscribed to while we were at it
            self._events.put(_Connected(session_present=True, again=True))
            return
        self._settled.set()
        self._outage.over(self._where)
        greeters, self._greeted = [] if self._greeted else greeters, True
        for greeter in greeters:
            greeter()

    def _subscribe_to_all(self) -> None:
        """Subscribe to each route that is not; one refused does not keep the others from it."""
        problems = []
        missing = self._routes.patterns() - self._subscribed
        for pattern in sorted(missing):  # one each: AWS takes 8 at most at once
            refused = mqtt_client.subscribe(self._client, pattern)
            if refused is None:
                self._subscribed.add(pattern)
            else:
                problems.append(refused)
        if problems:
            raise TransportError("; ".join(problems))

    def _explain(self, event: _Failed) -> None:
        if self._closing.is_set():
            return
        problem = self._problem(event)
        if not self._first.is_set():
            self._first_failure = problem
            self._first.set()
        self._outage.fail(str(problem))

    def _problem(self, event: _Failed) -> SightlineError:
        if event.was_connected:
            text = reasons.disconnect(event.code, self._client_id, self._where, event.said)
            return TransportError(text)
        if event.code is not None:
            return reasons.connack(event.code, self._client_id, self._where)
        try:
            # With TLS 1.3 a broker's word on our certificate comes after the handshake.
            diagnosis.probe(
                self._identity, self._settings.endpoint, self._settings.port, listen_s=2.0
            )
        except SightlineError as err:
            return err
        return TransportError(reasons.no_connection(event.said, self._client_id, self._where))

    def _close(self) -> None:
        self._closing.set()
        with contextlib.suppress(AwsCrtError):
            mqtt_client.stop(self._client)
            self._stopped.wait(STOP_S)
        self._events.put(None)
        self._thread.join(STOP_S)
