"""API Gateway's payload format 2.0 to ASGI, and back.

The one adapter that is kept (Mangum 0.22) decodes a path twice: an HTTP API sends `rawPath` decoded
already, so that a video whose name holds `%41` could not be asked after. And it logs each path.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Scope

from sightline.errors import MessageError

Event = Mapping[str, Any]

# Where the application finds what API Gateway says of the caller; a client cannot write there.
AUTHORIZER = "sightline.authorizer"


class Gateway:
    """A Lambda handler of an ASGI application."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    def __call__(self, event: Event, _context: object) -> dict[str, Any]:
        """Serve one request.

        Raises:
            MessageError: The event is not API Gateway's.
        """
        if event.get("version") != "2.0" or "http" not in event.get("requestContext", {}):
            raise MessageError("the event is no request in API Gateway's payload format 2.0")
        scope = _scope(event)
        messages = _exchange(self._application, scope, _body(event))
        return _response(messages, with_body=scope["method"] != "HEAD")


def _scope(event: Event) -> Scope:
    context = event["requestContext"]
    http, path = context["http"], event["rawPath"]
    headers = {name.lower(): value for name, value in event.get("headers", {}).items()}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": http["method"],
        "scheme": headers.get("x-forwarded-proto", "https"),
        "path": path,
        "raw_path": path.encode(errors="surrogatepass"),
        "root_path": "",
        "query_string": event.get("rawQueryString", "").encode(),
        "headers": [
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in headers.items()
        ],
        "client": (http.get("sourceIp", ""), 0),
        "server": (headers.get("host", context.get("domainName", "")), 443),
        AUTHORIZER: context.get("authorizer") or {},
    }


def _body(event: Event) -> bytes:
    body = event.get("body") or ""
    return b64decode(body) if event.get("isBase64Encoded") else body.encode()


def _exchange(application: ASGIApp, scope: Scope, body: bytes) -> list[Message]:
    """Give one request to the application, and collect what it sends.

    There is no event loop: the body is here already, and whatever the API does blocks, for a worker
    of Lambda serves one request at a time. So the application runs through at one go.
    """
    received: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[Message] = []

    async def receive() -> Message:
        return received.pop() if received else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    async def serve() -> None:
        await application(scope, receive, send)

    running = serve()
    try:
        running.send(None)
    except StopIteration:
        return sent
    running.close()
    raise RuntimeError("the application waits for something, and nothing will ever wake it")


def _response(messages: list[Message], *, with_body: bool) -> dict[str, Any]:
    start, *rest = messages
    headers: dict[str, str] = {}
    for name, value in start.get("headers", ()):
        key = name.decode("latin-1")
        text = value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    body = b"".join(message.get("body", b"") for message in rest) if with_body else b""
    try:
        text, is_base64 = body.decode(), False
    except UnicodeDecodeError:
        text, is_base64 = b64encode(body).decode(), True
    return {
        "statusCode": start["status"],
        "headers": headers,
        "body": text,
        "isBase64Encoded": is_base64,
    }
