"""An HTTP request as API Gateway tells it to a function, and the function's answer read back.

Source: Amazon API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs in
API Gateway", payload format version 2.0.
"""

import base64
import json
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sightline.errors import MessageError

ROUTE = STAGE = "$default"
_TEXT = ("application/json", "application/javascript", "application/xml")
_TIME = "%d/%b/%Y:%H:%M:%S +0000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it came.

    Attributes:
        target: Path and query, as they stand in the request's first line.
        headers: In their order; a name may come more than once.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    host: str = "127.0.0.1"
    peer: str = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What the function answers."""

    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)


def event(
    request: Request, *, account: str, api: str, authorizer: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Write *request* as the function gets it.

    Nothing of the request's can become the `authorizer`: it is there if API Gateway, or who stands
    in for it, has put it there.

    Args:
        request: As it came.
        account: The account's number.
        api: The API's id.
        authorizer: What is known of the caller.
    """
    address = urlsplit(request.target)
    path = unquote(address.path) or "/"
    headers = _headers(request.headers)
    cookies = headers.pop("cookie", "")
    body, is_base64 = _body(request.body, headers.get("content-type", ""))
    now = time.time()
    context: dict[str, Any] = {
        "accountId": account,
        "apiId": api,
        "domainName": request.host,
        "domainPrefix": request.host.partition(".")[0],
        "http": {
            "method": request.method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": request.peer,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": str(uuid.uuid4()),
        "routeKey": ROUTE,
        "stage": STAGE,
        "time": time.strftime(_TIME, time.gmtime(now)),
        "timeEpoch": int(now * 1000),
    }
    if authorizer is not None:
        context["authorizer"] = dict(authorizer)
    result: dict[str, Any] = {
        "version": "2.0",
        "routeKey": ROUTE,
        "rawPath": path,
        "rawQueryString": address.query,
        "headers": headers,
        "requestContext": context,
        "isBase64Encoded": is_base64,
    }
    if cookies:
        result["cookies"] = [each.strip() for each in cookies.split(";") if each.strip()]
    if address.query:
        result["queryStringParameters"] = _joined(parse_qsl(address.query, keep_blank_values=True))
    if body:
        result["body"] = body
    return result


def _headers(given: Iterable[tuple[str, str]]) -> dict[str, str]:
    pairs = [(name.lower(), value) for name, value in given]
    # HTTP/1.1 has one Cookie header; of several, as HTTP/2 has them, semicolons make one.
    cookies = "; ".join(value for name, value in pairs if name == "cookie")
    joined = _joined((name, value) for name, value in pairs if name != "cookie")
    return {**joined, "cookie": cookies} if cookies else joined


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _body(body: bytes, content_type: str) -> tuple[str, bool]:
    """Text as it is, anything else in base64."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind.startswith("text/") or kind in _TEXT or not body:
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True


def response(payload: bytes) -> Response:
    """Read what the function returned; without a status it is the body of a 200.

    Raises:
        MessageError: It is no answer that API Gateway would take.
    """
    try:
        answer = json.loads(payload)
        if not (isinstance(answer, dict) and "statusCode" in answer):
            text = answer if isinstance(answer, str) else json.dumps(answer)
            kind = (("content-type", "application/json"),)
            return Response(status=200, headers=kind, body=text.encode())
        body = answer.get("body") or ""
        headers = [(str(k), str(v)) for k, v in (answer.get("headers") or {}).items()]
        headers += [("set-cookie", str(each)) for each in answer.get("cookies") or []]
        return Response(
            status=_status(answer["statusCode"]),
            headers=tuple(_checked(headers)),
            body=base64.b64decode(body, validate=True)
            if answer.get("isBase64Encoded")
            else str(body).encode(),
        )
    except (ValueError, TypeError, AttributeError, RecursionError) as err:
        raise MessageError(f"the function's answer is no HTTP response: {err}") from err


def _status(value: object) -> int:
    status = int(str(value))
    if not 200 <= status < 600:
        raise MessageError(f"statusCode {status} is not from 200 to 599")
    return status


def _checked(headers: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    for name, value in headers:
        if any(c in name + value for c in "\r\n\0") or not name.isascii() or not name:
            raise MessageError(f"header {name!r} cannot be sent")
        value.encode("latin-1")  # all that HTTP has
        yield name, value
