"""The HTTP API on this machine: what API Gateway is to the stack on AWS, on a loopback port.

A request becomes API Gateway's event, the function answers it, and that becomes the response.
Limits are AWS's; what breaks one is told what to do instead.
"""

import json
import logging
import queue
import threading
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from infra.local.http_event import Request, Response, event, response
from infra.local.lambda_service.invocation import MAX_SYNC_BYTES, Invocation, Outcome
from infra.local.lambda_service.listener import LoopbackHandler, LoopbackServer
from sightline.errors import MessageError, TransportError

MAX_REQUEST_BYTES = 10 * 1024 * 1024
ANSWER_WITHIN_S = 30.0
API_ID = "local"
# How API Gateway says that AWS_IAM let the caller in; here it is the operator's own choice.
WITHOUT_KEYS: Mapping[str, Any] = {"iam": {"userArn": "local", "userId": "local"}}

_INSTEAD = (
    "send a smaller picture (a JPEG of 4 MB at most), or a video, to the address that POST "
    "/v1/videos gives"
)
_NO_BODY = frozenset({204, 304})

log = logging.getLogger(__name__)


class Invoker(Protocol):
    """What runs the function; `infra.local.lambda_service.LambdaService` does."""

    def invoke(self, name: str, invocation: Invocation, *, patience_s: float = 0) -> Outcome:
        """Run and wait."""
        ...

    def log_path(self, name: str) -> Path:
        """Where the function's output goes."""
        ...


class HttpApi(LoopbackServer):
    """Serves from construction to `close`."""

    def __init__(
        self,
        invoker: Invoker,
        function: str,
        *,
        account: str,
        port: int = 0,
        without_keys: bool = False,
        answer_within_s: float = ANSWER_WITHIN_S,
    ) -> None:
        """Listen.

        Args:
            invoker: Runs the function.
            function: Its name.
            account: The account's number.
            port: 0 takes any free one.
            without_keys: Let in every program of this machine.
            answer_within_s: After how long the caller is told that it takes too long.

        Raises:
            ConfigError: The port is in use.
        """
        self.invoker, self.function, self.account = invoker, function, account
        self.authorizer = WITHOUT_KEYS if without_keys else None
        self.answer_within_s = answer_within_s
        super().__init__(_Handler, port=port, purpose="the HTTP API", option="--http-port")

    @property
    def url(self) -> str:
        """Where it listens, less /v1."""
        return f"http://{self.address}"


class _Problem(Exception):  # noqa: N818 - RFC 9457's word
    """A request that is answered without the function."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.title = status, title

    @property
    def response(self) -> Response:
        """As RFC 9457 has it."""
        body = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": str(self),
        }
        headers = [("Content-Type", "application/problem+json")]
        if self.status == 503:
            headers.append(("Retry-After", "1"))
        return Response(status=self.status, headers=tuple(headers), body=json.dumps(body).encode())


class _Handler(LoopbackHandler):
    server: HttpApi
    timeout = 60  # of a peer that has stopped writing, or keeps an idle connection
    default_request_version = "HTTP/1.0"  # 0.9, the base's, has answers without a status

    def version_string(self) -> str:
        """The server's name in its answers."""
        return "sightline"

    def handle_expect_100(self) -> bool:
        """Say at once that the body may come: curl waits a second for it."""
        go_on = super().handle_expect_100()
        self.wfile.flush()
        return go_on

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Say as a problem what the base refuses by itself, such as a method it does not know."""
        self.close_connection = True  # what follows on it may be the rest of what was refused
        status = HTTPStatus(code)
        said = [part[:200] for part in (message or status.description, explain) if part]
        self._send(_Problem(status, status.phrase, ": ".join(said) or status.phrase).response)

    def serve(self) -> None:
        """Answer one request, whatever its method."""
        try:
            if not self.is_from_here():
                self.close_connection = True
                raise _Problem(403, "Forbidden", "only programs of this machine may ask")
            answer = self._answer(self._read())
        except _Problem as problem:
            answer = problem.response
        self._send(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = serve  # noqa: N815

    def _read(self) -> Request:
        return Request(
            method=self.command,
            target=self.path,
            headers=tuple(self.headers.items()),
            body=self._body(),
            host=urlsplit(f"//{self.headers['Host']}").hostname or "",
            peer=str(self.client_address[0]),
        )

    def _body(self) -> bytes:
        try:
            if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
                body = self._chunks()
            elif "Content-Length" in self.headers:
                body = self.read_body(MAX_REQUEST_BYTES)
            else:
                return b""
        except ValueError as err:
            self.close_connection = True
            text = f"the request's length cannot be read: {err}"
            raise _Problem(400, "Bad Request", text) from err
        if body is None:
            self.close_connection = True
            text = f"a request may have {MAX_REQUEST_BYTES // 1024**2} MB: {_INSTEAD}"
            raise _Problem(413, "Content Too Large", text)
        return body

    def _chunks(self) -> bytes | None:
        """A body that comes in chunks; None if it is too large (read on, dropped)."""
        body, total = bytearray(), 0
        while size := int(self.rfile.readline(64).partition(b";")[0].strip(), 16):
            total += size
            if not 0 < size <= MAX_REQUEST_BYTES or total > 16 * MAX_REQUEST_BYTES:
                return None
            chunk = self.rfile.read(size)
            if len(chunk) < size or self.rfile.readline(3) not in (b"\r\n", b"\n"):
                raise ValueError("a chunk is not as long as it says")
            if total <= MAX_REQUEST_BYTES:
                body += chunk
        while self.rfile.readline(65_536).strip():
            pass  # trailers
        return bytes(body) if total <= MAX_REQUEST_BYTES else None

    def _answer(self, request: Request) -> Response:
        server = self.server
        try:
            told = event(request, account=server.account, api=API_ID, authorizer=server.authorizer)
        except ValueError as err:
            text = f"the request's address cannot be read: {err}"
            raise _Problem(400, "Bad Request", text) from err
        payload = json.dumps(told).encode()
        if len(payload) > MAX_SYNC_BYTES:
            text = (
                f"{len(request.body)} bytes are too many for a function, which takes 6 MB with all "
                f"that is around them: {_INSTEAD}"
            )
            raise _Problem(413, "Content Too Large", text)
        outcome = self._invoke(Invocation(payload=payload))
        where = f"see {server.invoker.log_path(server.function)}"
        if outcome.error is not None:
            if b'"Sandbox.Timedout"' in outcome.payload[:200]:
                raise _Problem(504, "Gateway Timeout", f"the function took too long; {where}")
            raise _Problem(502, "Bad Gateway", f"the function failed; {where}")
        try:
            return response(outcome.payload)
        except MessageError as err:
            raise _Problem(502, "Bad Gateway", f"{err}; {where}") from err

    def _invoke(self, invocation: Invocation) -> Outcome:
        """Have it answered, or go on without: the function is not stopped, as on AWS."""
        server = self.server
        answers: queue.SimpleQueue[Outcome | TransportError] = queue.SimpleQueue()

        def invoke() -> None:
            try:
                answers.put(
                    server.invoker.invoke(
                        server.function, invocation, patience_s=server.answer_within_s
                    )
                )
            except TransportError as err:
                answers.put(err)

        threading.Thread(target=invoke, name="http request", daemon=True).start()
        try:
            answer = answers.get(timeout=server.answer_within_s)
        except queue.Empty:
            text = f"no answer within {server.answer_within_s:g} s; ask again, or for less"
            raise _Problem(504, "Gateway Timeout", text) from None
        if isinstance(answer, TransportError):
            raise _Problem(503, "Service Unavailable", str(answer)) from answer
        return answer

    def _send(self, answer: Response) -> None:
        has_body = answer.status not in _NO_BODY
        self.send_response(answer.status)
        for name, value in answer.headers:
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        if has_body:
            self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if has_body and self.command != "HEAD":
            self.wfile.write(answer.body)
        self.wfile.flush()
