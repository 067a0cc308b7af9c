"""A request as API Gateway tells it, and the function's answer read back."""

import base64
import contextlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.http_event import Request, Response, event, response
from sightline.errors import MessageError


def told(
    method: str = "GET",
    target: str = "/v1/people",
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
) -> dict[str, object]:
    request = Request(method=method, target=target, headers=headers, body=body)
    return event(request, account="123456789012", api="local")


def test_a_request_has_the_fields_of_payload_format_2() -> None:
    before = datetime.now(UTC)
    made = told(target="/v1/people?limit=3")

    assert made["version"] == "2.0"
    assert made["routeKey"] == "$default"
    assert made["rawPath"] == "/v1/people"
    assert made["rawQueryString"] == "limit=3"
    assert made["queryStringParameters"] == {"limit": "3"}
    assert made["isBase64Encoded"] is False
    assert "body" not in made
    assert "cookies" not in made
    context = made["requestContext"]
    assert isinstance(context, dict)
    assert context["http"]["method"] == "GET"
    assert context["http"]["path"] == "/v1/people"
    assert context["accountId"] == "123456789012"
    assert context["timeEpoch"] >= int(before.timestamp() * 1000)
    assert "authorizer" not in context


def test_no_header_and_no_body_of_a_request_makes_an_authorizer() -> None:
    claim = {"requestContext": {"authorizer": {"iam": {"userArn": "me"}}}}
    headers = (("Authorizer", "me"), ("requestContext", json.dumps(claim)))

    made = told("POST", "/v1/x?requestContext=me", headers, json.dumps(claim).encode())

    assert "authorizer" not in made["requestContext"]  # type: ignore[operator]


def test_what_is_known_of_the_caller_is_told() -> None:
    request = Request(method="GET", target="/", headers=())

    made = event(request, account="1", api="local", authorizer={"iam": {"userArn": "local"}})

    assert made["requestContext"]["authorizer"] == {"iam": {"userArn": "local"}}


def test_names_of_headers_are_small_and_of_the_same_name_joined() -> None:
    made = told(
        headers=(("X-Api-Key", "k"), ("Accept", "a"), ("accept", "b"), ("Cookie", "x=1; y=2"))
    )

    assert made["headers"] == {"x-api-key": "k", "accept": "a,b"}
    assert made["cookies"] == ["x=1", "y=2"]


def test_a_path_is_decoded_and_a_query_kept_as_it_came_beside_its_values() -> None:
    made = told(target="/v1/videos/a%20%C3%A4%2Fb+c?x=1&x=a%2Bb&y=")

    assert made["rawPath"] == "/v1/videos/a ä/b+c"
    assert made["rawQueryString"] == "x=1&x=a%2Bb&y="
    assert made["queryStringParameters"] == {"x": "1,a+b", "y": ""}


@pytest.mark.parametrize(
    ("kind", "body", "is_base64"),
    [
        ("application/json; charset=utf-8", b'{"a": "\xc3\xa4"}', False),
        ("text/plain", b"hello", False),
        ("text/plain", b"\xff\xfe", True),
        ("image/jpeg", b"\xff\xd8\xff", True),
        ("multipart/form-data; boundary=x", b"--x", True),
        ("", b"hello", True),
    ],
)
def test_a_body_is_text_or_base64_by_its_type(kind: str, body: bytes, is_base64: bool) -> None:
    made = told("POST", headers=(("Content-Type", kind),) if kind else (), body=body)

    assert made["isBase64Encoded"] is is_base64
    text = str(made["body"])
    assert (base64.b64decode(text) if is_base64 else text.encode()) == body


@given(st.binary(max_size=200), st.text(max_size=40), st.text(max_size=40))
def test_any_request_is_told_as_json(body: bytes, target: str, value: str) -> None:
    made = told("POST", f"/{target}", (("X", value),), body)

    assert json.loads(json.dumps(made)) == made


def test_an_answer_is_status_headers_cookies_and_body() -> None:
    payload = {
        "statusCode": 201,
        "headers": {"Content-Type": "text/plain"},
        "cookies": ["a=1"],
        "body": base64.b64encode(b"\xff").decode(),
        "isBase64Encoded": True,
    }

    assert response(json.dumps(payload).encode()) == Response(
        status=201,
        headers=(("Content-Type", "text/plain"), ("set-cookie", "a=1")),
        body=b"\xff",
    )


@pytest.mark.parametrize(("payload", "body"), [(b'"hello"', b"hello"), (b'{"a": 1}', b'{"a": 1}')])
def test_what_has_no_status_is_the_body(payload: bytes, body: bytes) -> None:
    assert response(payload).status == 200
    assert response(payload).body == body


@pytest.mark.parametrize(
    "payload",
    [
        b"no json",
        b'{"statusCode": "yes"}',
        b'{"statusCode": 99}',
        b'{"statusCode": 200, "body": "!", "isBase64Encoded": true}',
        b'{"statusCode": 200, "headers": [1]}',
        b'{"statusCode": 200, "headers": {"a": "\\u20ac"}}',
        b'{"statusCode": 200, "headers": {"a": "b\\r\\nc: d"}}',
    ],
)
def test_what_is_no_answer_is_said_so(payload: bytes) -> None:
    with pytest.raises(MessageError):
        response(payload)


@given(st.binary(max_size=300))
def test_no_answer_causes_an_error_but_ours(payload: bytes) -> None:
    with contextlib.suppress(MessageError):
        response(payload)
