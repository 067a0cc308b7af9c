"""API Gateway's events in, its answers out."""

import subprocess
import sys
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from cloud.http.gateway import AUTHORIZER, Gateway
from infra.local.http_event import Request as HttpRequest
from infra.local.http_event import event
from sightline.errors import MessageError

PROJECT = Path(__file__).parents[3]


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Tell what came."""
    request = Request(scope, receive)
    body = await request.body()
    told = {
        "method": request.method,
        "path": request.scope["path"],
        "query": request.query_params.multi_items(),
        "headers": dict(request.headers),
        "body": b64encode(body).decode(),
        "client": request.client.host if request.client else None,
        "authorizer": scope[AUTHORIZER],
    }
    await JSONResponse(told, headers={"x-one": "1"})(scope, receive, send)


async def picture(scope: Scope, receive: Receive, send: Send) -> None:
    response = Response(b"\xff\xd8\xff", 201, media_type="image/jpeg")
    response.headers.append("x-many", "a")
    response.headers.append("x-many", "b")
    await response(scope, receive, send)


async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
    import asyncio

    await asyncio.sleep(0)


def told(target: str = "/", *, method: str = "POST", **given: Any) -> dict[str, Any]:
    request = HttpRequest(method=method, target=target, **{"headers": (), **given})
    return event(request, account="1", api="a")


def echoed(of: dict[str, Any]) -> Any:
    import json

    answer = Gateway(echo)(of, None)
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, False)
    assert answer["headers"]["x-one"] == "1"
    return json.loads(answer["body"])


def test_a_path_is_taken_as_api_gateway_decoded_it_and_not_decoded_again() -> None:
    assert echoed(told("/v1/videos/100%2541%20%C3%A4"))["path"] == "/v1/videos/100%41 ä"


def test_query_and_headers_come_through() -> None:
    heard = echoed(told("/?a=1&a=2&b=%C3%A4+%2B", headers=(("X-Test", "yes"),)))

    assert heard["query"] == [["a", "1"], ["a", "2"], ["b", "ä +"]]
    assert heard["headers"]["x-test"] == "yes"
    assert heard["client"] == "127.0.0.1"


@pytest.mark.parametrize("body", [b"", b"text", b"\x00\xff\xd8" * 10, "ä".encode()])
@pytest.mark.parametrize("kind", ["application/json", "image/jpeg"])
def test_a_body_comes_through_as_text_or_in_base64(body: bytes, kind: str) -> None:
    heard = echoed(told(headers=(("content-type", kind),), body=body))

    assert b64decode(heard["body"]) == body


def test_what_is_no_text_goes_back_in_base64_and_headers_of_one_name_as_one() -> None:
    answer = Gateway(picture)(told(), None)

    assert answer["statusCode"] == 201
    assert b64decode(answer["body"]) == b"\xff\xd8\xff"
    assert answer["isBase64Encoded"]
    assert answer["headers"]["x-many"] == "a, b"


def test_the_authorizer_is_api_gateways_and_of_nobody_if_it_has_none() -> None:
    assert echoed(told())["authorizer"] == {}
    by_iam = {**told()}
    by_iam["requestContext"] = {**by_iam["requestContext"], "authorizer": {"iam": {"userArn": "x"}}}
    assert echoed(by_iam)["authorizer"] == {"iam": {"userArn": "x"}}


@pytest.mark.parametrize("wrong", [{}, {"version": "1.0"}, {"version": "2.0"}, {"Records": []}])
def test_another_event_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(MessageError):
        Gateway(echo)(wrong, None)


def test_an_application_that_waits_is_a_mistake_and_does_not_hang() -> None:
    with pytest.raises(RuntimeError, match="waits"):
        Gateway(waiting)(told(), None)


def test_nothing_heavy_is_imported_before_a_request_needs_it() -> None:
    code = (
        "import sys, cloud.api;"
        " heavy = {'numpy', 'cv2', 'onnxruntime', 'boto3', 'botocore', 'PIL', 'av'};"
        " assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True)
