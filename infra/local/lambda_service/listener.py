"""An HTTP listener on loopback, for threads, that leaves nothing open behind it."""

import contextlib
import secrets
import selectors
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from sightline.errors import ConfigError

HOST = "127.0.0.1"
_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost"})


class LoopbackHandler(BaseHTTPRequestHandler):
    """HTTP/1.1 requests with whole bodies, answered in one write.

    Two of these settings are the difference between 88 ms and 1 ms a request: without them headers
    and body go out in two segments, and Nagle's algorithm holds the second back.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def version_string(self) -> str:
        """The server's name in its answers."""
        return "sightline-lambda"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Say nothing: a request's line tells nobody anything."""

    def is_from_here(self) -> bool:
        """Whether a program of this machine asks, rather than a web page in its browser.

        A page can make a browser post to loopback; it cannot leave out `Origin`, nor, through a
        name that resolves to loopback, choose `Host`.
        """
        try:
            host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        except ValueError:
            return False
        return host in _LOOPBACK_NAMES and "Origin" not in self.headers

    def path_after(self, secret: str) -> str | None:
        """The request's path less *secret*, its first part; None if it begins with anything else.

        `is_from_here` keeps web pages out; this, the programs of the machine's other accounts.
        """
        try:
            path = urlsplit(self.path).path
        except ValueError:
            return None
        given, slash, rest = path.removeprefix("/").partition("/")
        # In a time that does not tell how much of it was right.
        known = secrets.compare_digest(given.encode(), secret.encode())
        return f"/{rest}" if known and slash else None

    def read_body(self, limit: int) -> bytes | None:
        """The request's body; None if it is larger than *limit* (read to its end, dropped).

        Raises:
            ValueError: It has no readable length.
        """
        length = int(self.headers["Content-Length"] or "")
        if length < 0:
            raise ValueError("Content-Length is negative")
        if length <= limit:
            return self.rfile.read(length)
        # Dropped rather than left: a peer still writing would see a reset, not our answer.
        left = min(length, 16 * limit)
        while left > 0 and (chunk := self.rfile.read(min(left, 65_536))):
            left -= len(chunk)
        self.close_connection = True
        return None

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Answer at once; `_` in a header's name stands for `-`."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


class LoopbackServer(ThreadingHTTPServer):
    """Serves from construction to `close`, in threads of its own."""

    daemon_threads = True
    timeout = 0  # of `handle_request`, which is called when there is one
    request_queue_size = 1024  # a burst of connections waits here rather than being refused

    def __init__(
        self, handler: type[LoopbackHandler], *, port: int = 0, purpose: str, option: str = ""
    ) -> None:
        """Listen on *port*, 0 for any free one.

        Raises:
            ConfigError: The port is in use.
        """
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()
        try:
            super().__init__((HOST, port), handler)
        except OSError as err:
            mend = f"stop what holds it, or choose another{f' with {option}' if option else ''}"
            raise ConfigError(
                f"port {port} on {HOST}, for {purpose}, cannot be used ({err.strerror}): {mend}"
            ) from err
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._accept, name=purpose, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{HOST}:{self.server_port}"

    def server_bind(self) -> None:
        """Bind without the base's look-up of the host's name, which can take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = HOST, self.socket.getsockname()[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Note the connection, then serve it in a thread."""
        with self._changed:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close the connection and forget it."""
        super().shutdown_request(request)
        with self._changed:
            self._open.discard(request)
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of peers that went away in the middle; anything else is ours to know."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)

    def refuse(self) -> None:
        """Take no more connections; those that are open go on."""
        if self._thread.is_alive():
            self._wake.close()
            self._thread.join()

    def _accept(self) -> None:
        """Hand connections out until woken; the base's loop would look up twice a second."""
        with selectors.DefaultSelector() as selector, self._woken:
            selector.register(self.socket, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while all(key.fileobj is not self._woken for key, _ in selector.select()):
                self.handle_request()
        self.server_close()

    def close(self, *, grace_s: float = 2) -> None:
        """Stop serving and close every connection."""
        self.refuse()
        deadline = time.monotonic() + grace_s
        with self._changed:
            for request in self._open:
                with contextlib.suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._open, deadline - time.monotonic())
