"""What of S3 and of the IoT credentials provider a device needs to store its frames, in memory."""

import base64
import hashlib
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import unquote, urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from infra.fleet.line import Address
from infra.local.credentials_endpoint import CredentialsProvider, RefusedError
from infra.local.ports import LOOPBACK
from sightline.errors import ImageError, MissingError
from sightline.keys import is_frame_of

BUCKET = "sightline-small"
ALIAS = "sightline-small"
_MAX_BYTES = 20_000_000
_IDLE_S = 60

log = logging.getLogger(__name__)


class SmallStore:
    """Takes PUTs on loopback from `__enter__` to `__exit__`, as S3 takes a device's.

    An object is written once: `If-None-Match: *` is what all here ask for. Signatures are not
    looked at; a wrong checksum is refused.
    """

    def __init__(self, allows: Callable[[str], bool] = lambda _: True) -> None:
        """Take what comes with a session token that *allows* knows, and refuse it as expired."""
        self._allows = allows
        self._lock = threading.Lock()
        self._objects: dict[str, bytes] = {}
        self._expired = 0
        self._again = 0
        self._server = _Server((LOOPBACK, 0), self._put, self._allowed)

    def __enter__(self) -> Self:
        threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.1},
            name="small-store",
            daemon=True,
        ).start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> Address:
        """Where it listens."""
        return LOOPBACK, self._server.server_address[1]

    @property
    def again(self) -> int:
        """How many PUTs were of an object that was there."""
        return self._again

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many bytes each object has."""
        with self._lock:
            return tuple(map(len, self._objects.values()))

    @property
    def expired(self) -> int:
        """How many PUTs were refused, since their credentials had come to their end."""
        return self._expired

    def get(self, key: str) -> bytes:
        """Give an object; see `cloud.fetching.FrameStore`."""
        with self._lock:
            data = self._objects.get(key)
        if data is None:
            raise MissingError(f"there is no object {key!r}")
        if len(data) > _MAX_BYTES:
            raise ImageError(f"the object has {len(data)} bytes", reason="too_large")
        return data

    def forget(self, device: str) -> None:
        """Delete all of a device's frames."""
        with self._lock:
            for key in [key for key in self._objects if is_frame_of(device, key)]:
                del self._objects[key]

    def _allowed(self, token: str) -> bool:
        allowed = self._allows(token)
        if not allowed:
            with self._lock:
                self._expired += 1
        return allowed

    def _put(self, key: str, data: bytes) -> bool:
        with self._lock:
            if key in self._objects:
                self._again += 1
                return False
            self._objects[key] = data
            return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    block_on_close = False

    def __init__(
        self,
        address: Address,
        put: Callable[[str, bytes], bool],
        allowed: Callable[[str], bool],
    ) -> None:
        self.put = put
        self.allowed = allowed
        super().__init__(address, _Request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Keep quiet about connections that break: here they are meant to."""
        log.debug("the connection from %s broke", client_address)


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S
    disable_nagle_algorithm = True

    def do_PUT(self) -> None:
        """Take an object."""
        bucket, _, key = unquote(urlsplit(self.path).path).lstrip("/").partition("/")
        data = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if len(data) < int(self.headers.get("Content-Length", "0")):
            self.close_connection = True  # it broke off: nothing is stored
            return
        checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
        server = cast(_Server, self.server)
        if not server.allowed(self.headers.get("x-amz-security-token", "")):
            self._answer(HTTPStatus.BAD_REQUEST, "ExpiredToken")
        elif bucket != BUCKET:
            self._answer(HTTPStatus.NOT_FOUND, "NoSuchBucket")
        elif self.headers.get("x-amz-checksum-sha256", checksum) != checksum:
            self._answer(HTTPStatus.BAD_REQUEST, "BadDigest")
        elif not server.put(key, data):
            self._answer(HTTPStatus.PRECONDITION_FAILED, "PreconditionFailed")
        else:
            self._answer(HTTPStatus.OK)

    def _answer(self, status: HTTPStatus, code: str = "") -> None:
        body = f"<Error><Code>{code}</Code></Error>".encode() if code else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"small"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
        """Keep to our log."""
        log.debug(format, *args)


class SmallProvider(CredentialsProvider):
    """Gives each thing, by its certificate's name, credentials that hold for the small store.

    Attributes:
        issued: How often it has given some.
    """

    def __init__(self, *, lifetime_s: float = 3600.0) -> None:
        """Know one role alias, `ALIAS`; what is given ends after *lifetime_s*."""
        self._lifetime = timedelta(seconds=lifetime_s)
        self._lock = threading.Lock()
        self._ends: dict[str, datetime] = {}  # by session token
        self.issued = 0

    def holds(self, token: str) -> bool:
        """Tell whether credentials with that session token were given, and have not ended."""
        with self._lock:
            ends_at = self._ends.get(token)
        return ends_at is not None and datetime.now(UTC) < ends_at

    def has(self, alias: str) -> bool:
        """See `CredentialsProvider`."""
        return alias == ALIAS

    def credentials(
        self,
        alias: str,  # noqa: ARG002
        thing: str,
        certificate_der: bytes,
    ) -> dict[str, str]:
        """See `CredentialsProvider`."""
        subject = x509.load_der_x509_certificate(certificate_der).subject
        names = [each.value for each in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        if names != [thing]:
            raise RefusedError(f"the certificate is of {names}, not of thing {thing!r}")
        expires_at = datetime.now(UTC) + self._lifetime
        with self._lock:
            self.issued += 1
            token = f"of-no-use-anywhere-{self.issued}"
            self._ends[token] = expires_at
        return {
            "accessKeyId": "ASIASMALLSMALLSMALL",  # pragma: allowlist secret
            "secretAccessKey": "of-no-use-anywhere",  # pragma: allowlist secret
            "sessionToken": token,
            "expiration": f"{expires_at:%Y-%m-%dT%H:%M:%SZ}",
        }
