"""The HTTP API's port: who may ask, what is too large, and what a function's failure becomes."""

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infra.local.http_api import MAX_REQUEST_BYTES, HttpApi
from infra.local.lambda_service.invocation import MAX_SYNC_BYTES, Invocation, Outcome, failure
from sightline.errors import ConfigError, TransportError


@dataclass
class Function:
    """Stands for the function: answers with the event, unless it is told otherwise."""

    answer: Callable[[dict[str, Any]], Outcome | TransportError] | None = None
    events: list[dict[str, Any]] = field(default_factory=list)

    def invoke(self, name: str, invocation: Invocation, *, patience_s: float = 0) -> Outcome:
        event = json.loads(invocation.payload)
        self.events.append(event)
        made = self.answer(event) if self.answer else answered(body=json.dumps(event))
        if isinstance(made, TransportError):
            raise made
        return made

    def log_path(self, name: str) -> Path:
        return Path("logs") / f"{name}.log"


def answered(status: int = 200, **more: Any) -> Outcome:
    return Outcome(payload=json.dumps({"statusCode": status, **more}).encode())


@pytest.fixture
def function() -> Function:
    return Function()


@pytest.fixture
def api(function: Function) -> Iterator[HttpApi]:
    api = HttpApi(function, "s-api", account="1", answer_within_s=5)
    yield api
    api.close()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    api: HttpApi, method: str = "GET", path: str = "/v1/health", body: Any = None, **headers: str
) -> Answer:
    connection = http.client.HTTPConnection(api.address, timeout=10)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        chunked = body is not None and not isinstance(body, bytes)
        connection.request(method, path, body, named, encode_chunked=chunked)
        response = connection.getresponse()
        return Answer(response.status, dict(response.headers), response.read())
    finally:
        connection.close()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_reaches_the_function(api: HttpApi, method: str) -> None:
    answer = ask(api, method, "/v1/a%20b?x=1")

    assert answer.status == 200
    assert answer.json["requestContext"]["http"]["method"] == method
    assert answer.json["rawPath"] == "/v1/a b"


def test_a_head_is_answered_without_a_body(api: HttpApi, function: Function) -> None:
    answer = ask(api, "HEAD")

    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 0


def test_one_connection_serves_one_request_after_the_other(api: HttpApi) -> None:
    connection = http.client.HTTPConnection(api.address, timeout=10)
    for number in range(3):
        connection.request("POST", f"/{number}", b"x" * number)
        response = connection.getresponse()
        assert json.loads(response.read())["rawPath"] == f"/{number}"
    connection.close()


def test_what_the_function_says_is_what_the_caller_gets(api: HttpApi, function: Function) -> None:
    function.answer = lambda _: answered(
        204, headers={"X-A": "b", "Content-Length": "7"}, cookies=["c=d"]
    )

    answer = ask(api, "DELETE")

    assert answer.status == 204
    assert (answer.headers["X-A"], answer.headers["set-cookie"]) == ("b", "c=d")
    assert answer.body == b""


@pytest.mark.parametrize(
    "headers", [{"Host": "example.org"}, {"Host": "localhost", "Origin": "http://localhost:4569"}]
)
def test_a_web_page_is_not_let_in(
    api: HttpApi, function: Function, headers: dict[str, str]
) -> None:
    answer = ask(api, "POST", **headers)

    assert answer.status == 403
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert function.events == []


def test_nobody_is_known_unless_the_operator_said_so(function: Function) -> None:
    spoof = {"authorizer": "x", "X_Amzn_Request_Context": '{"authorizer": {"iam": {}}}'}
    for without_keys in (False, True):
        api = HttpApi(function, "s-api", account="1", without_keys=without_keys)
        ask(api, **spoof)
        api.close()

    closed, opened = (event["requestContext"] for event in function.events)
    assert "authorizer" not in closed
    assert opened["authorizer"]["iam"]["userArn"] == "local"


@pytest.mark.parametrize("size", [MAX_REQUEST_BYTES + 1, MAX_SYNC_BYTES * 3 // 4 + 1])
def test_what_is_too_large_is_told_the_other_way(
    api: HttpApi, function: Function, size: int
) -> None:
    answer = ask(api, "POST", "/v1/frames", bytes(size), Content_Type="image/jpeg")

    assert answer.status == 413
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["status"] == 413
    assert "POST /v1/videos" in answer.json["detail"]
    assert "a smaller picture" in answer.json["detail"]
    assert function.events == []


def test_a_body_in_chunks_is_read_and_bounded(api: HttpApi) -> None:
    assert (
        ask(api, "POST", "/", iter([b"ab", b"c"]), Content_Type="text/plain").json["body"] == "abc"
    )
    assert ask(api, "POST", "/", iter([bytes(1024)] * 10_241)).status == 413


def test_a_length_that_is_none_is_refused(api: HttpApi) -> None:
    host, _, port = api.address.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n")
        assert raw.recv(64).startswith(b"HTTP/1.1 400")


def raw(api: HttpApi, request: bytes) -> tuple[str, dict[str, str], bytes]:
    """Send what no client would; give the status line, the headers and the body."""
    host, _, port = api.address.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as peer:
        peer.sendall(request)
        with peer.makefile("rb") as stream:  # to its end: the connection must be closed
            head, _, body = stream.read().partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return first, dict(line.split(": ", 1) for line in lines), body


_HOST = b"Host: localhost\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("request_", "status", "said"),
    [
        (b"TRACE /v1/people HTTP/1.1\r\n" + _HOST, 501, "TRACE"),
        (b"get /v1/people HTTP/1.1\r\n" + _HOST, 501, "get"),
        (b"GET /" + b"a" * 65_532, 414, "too long"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 101, 431, "more than 100 headers"),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 65_534, 431, "more than 65536 bytes"),
        (b"GET / HTTP/9.9\r\n", 505, "9.9"),
        (b"garbage\r\n", 400, "garbage"),
        (b"GET / / /\xff\r\n", 400, "version"),
        (b"GET http://[/ HTTP/1.1\r\n" + _HOST, 400, "address"),
    ],
)
def test_what_is_no_request_is_refused_as_a_problem(
    api: HttpApi, function: Function, request_: bytes, status: int, said: str
) -> None:
    first, headers, body = raw(api, request_)

    assert first.startswith(f"HTTP/1.1 {status} ")
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["Connection"] == "close"
    problem = json.loads(body)
    assert problem.keys() == {"type", "title", "status", "detail"}
    assert problem["status"] == status
    assert said in problem["detail"]
    assert function.events == []


def test_the_body_is_asked_for_at_once(api: HttpApi) -> None:
    host, _, port = api.address.partition(":")
    head = (
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(head)
        assert raw.recv(64).startswith(b"HTTP/1.1 100")
        raw.sendall(b"x")
        assert raw.recv(64).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("made", "status", "said"),
    [
        (failure("RuntimeError", "as told"), 502, "the function failed; see logs"),
        (failure("Sandbox.Timedout", "after 29 s"), 504, "took too long"),
        (Outcome(payload=b'{"statusCode": 1}'), 502, "statusCode 1"),
        (TransportError("the Lambda service is stopping"), 503, "stopping"),
    ],
)
def test_a_function_that_gives_no_answer_is_a_problem_with_its_reason(
    api: HttpApi, function: Function, made: Outcome | TransportError, status: int, said: str
) -> None:
    function.answer = lambda _: made

    answer = ask(api)

    assert answer.status == answer.json["status"] == status
    assert said in answer.json["detail"]


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever(function: Function) -> None:
    done = threading.Event()

    def never(_event: dict[str, Any]) -> Outcome:
        done.wait(10)
        return answered()

    function.answer = never
    api = HttpApi(function, "s-api", account="1", answer_within_s=0.1)
    answer = ask(api)
    done.set()
    api.close()

    assert answer.status == 504
    assert "no answer within 0.1 s" in answer.json["detail"]


def test_a_port_that_is_taken_is_said_with_its_option(api: HttpApi, function: Function) -> None:
    with pytest.raises(ConfigError, match=r"for the HTTP API, cannot be used.+--http-port"):
        HttpApi(function, "s-api", account="1", port=api.server_port)
