"""A camera on the network that speaks RTSP, sends H.264 over the same connection, and then ends.

Source: RFC 2326 (RTSP), RFC 3550 (RTP), RFC 6184 (H.264 in RTP, packetization-mode 1).
"""

import base64
import contextlib
import itertools
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import BinaryIO

from tests.device.fakes import DEADLINE_S
from tests.device.recording.film import packets

Ending = Callable[[socket.socket, threading.Event], None]

FPS = 30.0
_TICKS, _TYPE, _SOURCE = 90_000, 96, 0x51617E  # of RTP: ticks a second, payload type, whose it is
_RTP, _RTCP = 0, 1  # channels of the connection
_MOST = 120  # bytes of a NAL unit in one packet, so that key frames come in several
_PARAMETERS = (7, 8)  # types of NAL unit: of the sequence, and of the picture


class RtspCamera:
    """Sends the same frames to each who connects, then does as *then* says.

    Frame N bears the number N; see `tests.device.recording.film.number_in`.
    """

    def __init__(self, then: Ending, *, frames: int, cut: bool = False) -> None:
        """Prepare *frames* frames; with *cut* the last is broken off amid a packet."""
        film = [_units(packet.data) for packet in packets(frames, fps=FPS)]
        sets = [unit for unit in film[0] if unit[0] & 31 in _PARAMETERS]
        self._description = _sdp(sets)
        self._film = b"".join(_rtp(film))
        if cut:
            self._film = self._film[:-20]
        self._then = then
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> str:
        """Listen; gives the address of the video."""
        self._server = socket.create_server(("127.0.0.1", 0))
        self._begin(self._accept)
        return f"rtsp://127.0.0.1:{self._server.getsockname()[1]}/stream"

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(DEADLINE_S)
        self._server.close()
        assert not [each for each in self._threads if each.is_alive()]

    def _begin(self, work: Callable[..., None], *arguments: object) -> None:
        self._threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._begin(self._serve, self._server.accept()[0])

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(DEADLINE_S)
        # The other side hangs up when it likes.
        with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError):
            while request := _request(lines):
                method, number = request
                connection.sendall(self._answer(method, number))
                if method == "PLAY":
                    connection.sendall(self._film)
                    self._then(connection, self._over)
                    return

    def _answer(self, method: str, number: str) -> bytes:
        """Write the response to a request; none that FFmpeg makes of us is refused."""
        headers, body = [f"CSeq: {number}"], ""
        if method == "OPTIONS":
            headers.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
        elif method == "DESCRIBE":
            body = self._description
            headers += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        else:
            headers.append("Session: 1")
        if method == "SETUP":
            headers.append(f"Transport: RTP/AVP/TCP;unicast;interleaved={_RTP}-{_RTCP}")
        return "\r\n".join(["RTSP/1.0 200 OK", *headers, "", body]).encode()


def falls_silent(_: socket.socket, over: threading.Event) -> None:
    """Keep the connection, and say nothing on it."""
    over.wait()


def only_reports(connection: socket.socket, over: threading.Event) -> None:
    """Send no frame, but go on with the sender's reports, as when only the encoder hangs."""
    report = struct.pack(">BBHIQIII", 0x80, 200, 6, _SOURCE, 0, 0, 0, 0)
    while not over.wait(0.02):
        connection.sendall(_interleaved(_RTCP, report))


def hangs_up(_: socket.socket, __: threading.Event) -> None:
    """Close the connection."""


def _request(lines: BinaryIO) -> tuple[str, str] | None:
    """Read a request: its method, and its number; None when the other side has hung up."""
    text = itertools.takewhile(lambda line: line.strip(), iter(lines.readline, b""))
    head = [line.decode().strip() for line in text]
    if not head:
        return None
    number = next(each for each in head if each.lower().startswith("cseq:"))
    return head[0].split()[0], number.partition(":")[2].strip()


def _sdp(sets: list[bytes]) -> str:
    """Describe the video; *sets* are its two parameter sets."""
    sprop = ",".join(base64.b64encode(each).decode() for each in sets)
    return "\r\n".join(
        [
            "v=0",
            "o=- 0 0 IN IP4 127.0.0.1",
            "s=camera",
            "c=IN IP4 0.0.0.0",
            "t=0 0",
            f"m=video 0 RTP/AVP {_TYPE}",
            f"a=rtpmap:{_TYPE} H264/{_TICKS}",
            f"a=fmtp:{_TYPE} packetization-mode=1;sprop-parameter-sets={sprop}",
            "a=control:track1",
            "",
        ]
    )


def _units(packet: bytes) -> list[bytes]:
    """Split what an encoder gave at its start codes; no NAL unit ends in a zero byte."""
    return [unit.rstrip(b"\0") for unit in packet.split(b"\0\0\1")[1:]]


def _rtp(film: list[list[bytes]]) -> Iterator[bytes]:
    """Pack each frame's NAL units; the last packet of a frame is marked."""
    sequence = itertools.count(1000)
    for index, units in enumerate(film):
        payloads = [payload for unit in units for payload in _payloads(unit)]
        for left, payload in zip(range(len(payloads) - 1, -1, -1), payloads, strict=True):
            mark = 0 if left else 0x80
            ticks = round(index * _TICKS / FPS)
            head = struct.pack(">BBHII", 0x80, mark | _TYPE, next(sequence), ticks, _SOURCE)
            yield _interleaved(_RTP, head + payload)


def _payloads(unit: bytes) -> Iterator[bytes]:
    """Give a NAL unit as it is, or a long one in fragments (FU-A)."""
    if len(unit) <= _MOST:
        yield unit
        return
    kind = unit[0] & 31
    for at in range(1, len(unit), _MOST):
        begins, ends = at == 1, at + _MOST >= len(unit)
        head = bytes([unit[0] - kind + 28, begins << 7 | ends << 6 | kind])
        yield head + unit[at : at + _MOST]


def _interleaved(channel: int, packet: bytes) -> bytes:
    return struct.pack(">cBH", b"$", channel, len(packet)) + packet
