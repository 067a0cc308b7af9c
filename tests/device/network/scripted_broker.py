"""An MQTT 5 broker that does as it is told: it withholds words, forgets sessions, hangs up.

The real client talks to it over mutual TLS, so that what stands in its packets is seen rather than
what it was asked for. It speaks what an agent needs of MQTT 5, and no more.
"""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, cast

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.device.authority import Authority

CONNECT, PUBLISH, PUBACK, SUBSCRIBE, PINGREQ, DISCONNECT = 1, 3, 4, 8, 12, 14
DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """What a client said of itself."""

    client_id: str
    clean_start: bool
    keep_alive_s: int
    session_expiry_s: int
    will: tuple[str, bytes, bool] | None  # topic, payload, retained


class ScriptedBroker:
    """Listens on loopback from `__enter__` to `__exit__`. Threads: any.

    Attributes:
        session_present: What the next CONNACK says.
        connack: Its reason code.
        grants: Whether a SUBSCRIBE is answered at once; `grant` answers those that wait.
        seen: What came, and the SUBACKs that were sent, in order: a word and what it was about.
    """

    def __init__(self, authority: Authority) -> None:
        server = authority.issue("broker", address="127.0.0.1")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(server.certificate, server.private_key)
        self._context.load_verify_locations(authority.ca)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._changed = threading.Condition()
        self._open: set[ssl.SSLSocket] = set()
        self._withheld: list[tuple[ssl.SSLSocket, str, bytes]] = []
        self._threads: list[threading.Thread] = []
        self.session_present, self.grants, self.connack = False, True, 0
        self.takes = True
        self.connects: list[Connect] = []
        self.seen: list[tuple[str, str]] = []

    def __enter__(self) -> Self:
        self._begin(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(DEADLINE_S)

    @property
    def port(self) -> int:
        """Where it listens."""
        return cast(int, self._listener.getsockname()[1])

    def told(self, word: str) -> list[str]:
        """Give what has been said with *word* so far."""
        with self._changed:
            return [what for each, what in self.seen if each == word]

    def await_(self, holds: Callable[[], bool], *, within_s: float = DEADLINE_S) -> bool:
        """Wait until *holds*, as it is looked at after each thing that comes."""
        with self._changed:
            return self._changed.wait_for(holds, within_s)

    def await_told(self, word: str, what: str, *, within_s: float = DEADLINE_S) -> bool:
        """Wait for *word* about *what*."""
        return self.await_(lambda: (word, what) in self.seen, within_s=within_s)

    def forget(self) -> None:
        """Begin a new list of what is seen."""
        with self._changed:
            self.seen.clear()

    def grant(self) -> None:
        """Answer the SUBSCRIBEs that wait, and those to come."""
        with self._changed:
            self.grants = True
            for connection, pattern, suback in self._withheld:
                self._grant(connection, pattern, suback)
            self._withheld.clear()

    def hang_up(self) -> None:
        """End all connections without a word."""
        with self._changed:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _begin(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            self._begin(self._serve, plain)

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), plain:
            if not self.takes:
                return
            with self._context.wrap_socket(plain, server_side=True) as connection:
                self._talk(connection)

    def _talk(self, connection: ssl.SSLSocket) -> None:
        with self._changed:
            self._open.add(connection)
        try:
            stream = connection.makefile("rb")
            while True:
                head, body = _packet(stream)
                with self._changed:
                    if not self._answer(connection, head, body):
                        return
                    self._changed.notify_all()
        finally:
            with self._changed:
                self._open.discard(connection)
                self._withheld = [each for each in self._withheld if each[0] is not connection]

    def _answer(self, connection: ssl.SSLSocket, head: int, body: bytes) -> bool:
        kind = head >> 4
        if kind == CONNECT:
            self.connects.append(_connect(body))
            flags = bytes([self.session_present and not self.connack, self.connack, 0])
            connection.sendall(_framed(0x20, flags))
        elif kind == SUBSCRIBE:
            pattern = _text(body, 2 + _past_properties(body, 2, PacketTypes.SUBSCRIBE))[0]
            self.seen.append(("SUBSCRIBE", pattern))
            suback = _framed(0x90, body[:2] + b"\x00\x01")
            if self.grants:
                self._grant(connection, pattern, suback)
            else:
                self._withheld.append((connection, pattern, suback))
        elif kind == PUBLISH:
            topic, at = _text(body, 0)
            self.seen.append(("PUBLISH", topic))
            connection.sendall(_framed(0x40, body[at : at + 2]))
        elif kind == PINGREQ:
            connection.sendall(b"\xd0\x00")
        return kind != DISCONNECT

    def _grant(self, connection: ssl.SSLSocket, pattern: str, suback: bytes) -> None:
        self.seen.append(("SUBACK", pattern))
        connection.sendall(suback)


def _packet(stream: Any) -> tuple[int, bytes]:
    head, size, shift = _exactly(stream, 1)[0], 0, 0
    while True:
        byte = _exactly(stream, 1)[0]
        size |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return head, _exactly(stream, size)


def _exactly(stream: Any, size: int) -> bytes:
    data: bytes = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _framed(head: int, body: bytes) -> bytes:
    assert len(body) < 128
    return bytes([head, len(body)]) + body


def _connect(body: bytes) -> Connect:
    """Read a CONNECT. Source: MQTT 5, section 3.1."""
    _, at = _text(body, 0)
    flags, keep_alive_s = struct.unpack_from(">xBH", body, at)
    properties, size = _properties(body, at + 4, PacketTypes.CONNECT)
    client_id, at = _text(body, at + 4 + size)
    will = None
    if flags & 0x04:
        at += _past_properties(body, at, PacketTypes.WILLMESSAGE)
        topic, at = _text(body, at)
        (length,) = struct.unpack_from(">H", body, at)
        will = (topic, body[at + 2 : at + 2 + length], bool(flags & 0x20))
    return Connect(
        client_id=client_id,
        clean_start=bool(flags & 0x02),
        keep_alive_s=keep_alive_s,
        session_expiry_s=getattr(properties, "SessionExpiryInterval", 0),
        will=will,
    )


def _text(body: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">H", body, at)
    return body[at + 2 : at + 2 + length].decode(), at + 2 + length


def _properties(body: bytes, at: int, kind: int) -> tuple[Properties, int]:
    properties = Properties(kind)  # type: ignore[no-untyped-call]
    _, size = properties.unpack(body[at:])  # type: ignore[no-untyped-call]
    return properties, size


def _past_properties(body: bytes, at: int, kind: int) -> int:
    return _properties(body, at, kind)[1]
