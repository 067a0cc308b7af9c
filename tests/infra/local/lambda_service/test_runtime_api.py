"""The Runtime API against requests that the real runtime client would not send."""

import http.client
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.lambda_service import Function
from infra.local.lambda_service.handover import Handover
from infra.local.lambda_service.invocation import Invocation
from infra.local.lambda_service.runtime_api import RuntimeApi

BASE = "/2018-06-01/runtime"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[RuntimeApi]:
    function = Function(
        name="fn", handler="app.handler", folder=tmp_path, python=Path(sys.executable)
    )
    api = RuntimeApi(function, Handover())
    yield api
    api.close()


@pytest.fixture
def client(api: RuntimeApi) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(api.address, timeout=10)
    yield connection
    connection.close()


def test_an_invocation_comes_with_its_headers(
    api: RuntimeApi, client: http.client.HTTPConnection
) -> None:
    invocation = Invocation(payload=b'{"a": 1}')
    api.handover.offer(invocation, 3)
    client.request("GET", f"/{api.secret}{BASE}/invocation/next")
    response = client.getresponse()
    assert response.read() == b'{"a": 1}'
    assert response.headers["Lambda-Runtime-Aws-Request-Id"] == invocation.request_id
    assert response.headers["Lambda-Runtime-Invoked-Function-Arn"] == api.function.arn
    assert response.headers["Lambda-Runtime-Trace-Id"].startswith("Root=1-")
    assert int(response.headers["Lambda-Runtime-Deadline-Ms"]) > 1_600_000_000_000


def test_an_answer_to_no_question_is_refused(
    api: RuntimeApi, client: http.client.HTTPConnection
) -> None:
    stranger = Invocation(payload=b"1").request_id
    client.request("POST", f"/{api.secret}{BASE}/invocation/{stranger}/response", b"2")
    response = client.getresponse()
    assert response.status == 400
    assert b"InvalidRequestID" in response.read()


def test_an_answer_without_length_is_refused(
    api: RuntimeApi, client: http.client.HTTPConnection
) -> None:
    client.putrequest("POST", f"{BASE}/init/error")
    client.endheaders()
    assert client.getresponse().status == 411


@pytest.mark.parametrize("header", [("Origin", "http://a.example"), ("Host", "a.example")])
def test_a_web_page_gets_no_events(
    api: RuntimeApi, client: http.client.HTTPConnection, header: tuple[str, str]
) -> None:
    invocation = Invocation(payload=b"1")
    api.handover.offer(invocation, 3)
    client.request("GET", f"/{api.secret}{BASE}/invocation/next", headers=dict([header]))
    assert client.getresponse().status == 404
    assert api.handover.take() is not None  # it is still there


def test_an_unknown_path_is_not_found(api: RuntimeApi, client: http.client.HTTPConnection) -> None:
    client.request("POST", f"/{api.secret}{BASE}/other", b"{}")
    assert client.getresponse().status == 404


def test_a_closed_api_ends_the_wait_of_its_runtime(
    api: RuntimeApi, client: http.client.HTTPConnection
) -> None:
    client.request("GET", f"/{api.secret}{BASE}/invocation/next")
    api.handover.wait_ready(10)
    api.close()
    with pytest.raises(http.client.RemoteDisconnected):
        client.getresponse()


@pytest.mark.parametrize("prefix", ["", "/guessed"])
def test_who_does_not_have_the_secret_gets_no_events_and_answers_none(
    api: RuntimeApi, client: http.client.HTTPConnection, prefix: str
) -> None:
    invocation = Invocation(payload=b"1")
    api.handover.offer(invocation, 3)

    client.request("GET", f"{prefix}{BASE}/invocation/next")
    asked = client.getresponse()
    assert (asked.status, asked.read()) == (404, b"")
    assert api.handover.take() is not None  # it is still there
    client.request("POST", f"{prefix}{BASE}/invocation/{invocation.request_id}/response", b"2")
    answered = client.getresponse()

    assert (answered.status, answered.read()) == (403, b"")
    assert api.handover.wait_outcome(0) == "late"
