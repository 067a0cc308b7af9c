"""The MQTT listener: when it opens, whom it takes, and how much. Runs inside MiniStack.

- It opens when told so: what a device publishes before the functions run would be acknowledged and
  lost.
- It takes nobody without a certificate, as AWS's does on that port; MiniStack gives such a client a
  session that may do anything.
- It ends a connection that publishes over 128 KiB, as AWS's does; MiniStack takes it.
- A payload nested deeper than Python can read reaches the rule, as any bytes do on AWS; MiniStack's
  session dies of it, unacknowledged, and again at each reconnect.
- A filter subscribed to again takes the old subscription's place (MQTT 5, 3.8.4); MiniStack adds
  another, so that a device heard each result once more after each of its restarts.
- What a client had not acknowledged comes again as soon as it is back (MQTT 5, 4.4); MiniStack lets
  half a minute pass.
"""

import asyncio
import logging
import math
import ssl
import threading
from typing import Any

from infra.local.ministack.fleet import certify_requests, end_sessions_of_revoked

MAX_PAYLOAD_BYTES = 128 * 1024  # of a PUBLISH, to AWS IoT Core
PACKET_TOO_LARGE = 0x95  # MQTT 5's reason code

log = logging.getLogger(__name__)


def require_certificates() -> None:
    """Have the broker end a handshake that brings no certificate."""
    from ministack.services import iot

    build = iot._mtls_build_ssl_context

    def build_requiring() -> ssl.SSLContext:
        context: ssl.SSLContext = build()
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    iot._mtls_build_ssl_context = build_requiring


def hold_to_limits() -> None:
    """Have the broker refuse the payloads that AWS's refuses, and take those that it takes."""
    from ministack.services import iot

    session, read = iot._WSSession, iot._rule_message
    dispatch = session._dispatch_packet

    async def dispatch_within_limits(self: Any, kind: int, flags: int, body: bytes) -> bool:
        if kind == iot.PKT_PUBLISH and len(body) > MAX_PAYLOAD_BYTES:
            _, start = iot._read_string(body, 0)
            start += 2 if flags & 0x06 else 0  # QoS 1 has a packet identifier
            if self.protocol_version == iot.MQTT_5:
                _, start = iot._decode_properties(body, start)
            if len(body) - start > MAX_PAYLOAD_BYTES:
                log.warning("%s published %d bytes: disconnected", self._client_id, len(body))
                if self.protocol_version == iot.MQTT_5:
                    await self.send_bytes(iot._make_disconnect(PACKET_TOO_LARGE))
                return False
        return bool(await dispatch(self, kind, flags, body))

    def rule_message(payload: bytes) -> Any:
        try:
            return read(payload)
        except RecursionError:
            return payload.decode()  # as MiniStack has what is no JSON at all

    session._dispatch_packet = dispatch_within_limits
    iot._rule_message = rule_message


def replace_subscriptions() -> None:
    """Have a client's new subscription take the place of its old one to the same filter."""
    from ministack.services import iot

    subscribe = iot.broker_subscribe

    async def broker_subscribe(
        account_id: str, region: str, topic_filter: str, *rest: Any, **options: Any
    ) -> Any:
        new = await subscribe(account_id, region, topic_filter, *rest, **options)
        client = options.get("client_id")
        if client is not None:
            held = iot._subscriptions.get(
                iot._scoped_topic(account_id, region, topic_filter), set()
            )
            for old in list(held):
                if old.client_id == client and old.subscription_id != new:
                    held.discard(old)
        return new

    iot.broker_subscribe = broker_subscribe


def resend_at_reconnect() -> None:
    """Have what was sent and not acknowledged sent again when the client is back."""
    from ministack.services import iot

    session = iot._WSSession
    preserve = session._preserve_session

    def preserve_session(self: Any) -> None:
        for message in self._in_flight.values():
            message.sent_at = -math.inf  # so that it is due at once
        preserve(self)

    session._preserve_session = preserve_session


async def make_context() -> None:
    """Have everything for TLS ready before anybody connects.

    MiniStack makes it at the first connection, and has reading paused for as long. On Python before
    3.11.4, Debian 12's among them, a pause in `connection_made` does not hold: the client's first
    bytes were lost, and it hung until it gave up.
    """
    from ministack.services import iot

    await iot._mtls_context()


class Broker:
    """Holds back MiniStack's MQTT listener until `allow`."""

    def __init__(self, app: Any) -> None:
        self._start = app._start_iot_mtls
        self._decided = threading.Event()
        self._allowed = False

    def allow(self, allowed: bool) -> None:
        """Let it open, or, at the end, not any more."""
        self._allowed = allowed
        self._decided.set()

    async def start(self) -> None:
        """Stand in for `_start_iot_mtls`, which shutdown waits for."""
        await asyncio.to_thread(self._decided.wait)
        if self._allowed:
            require_certificates()
            hold_to_limits()
            replace_subscriptions()
            resend_at_reconnect()
            certify_requests()
            end_sessions_of_revoked()
            await make_context()
            await self._start()
