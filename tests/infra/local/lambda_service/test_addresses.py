"""Who may invoke: whoever has an address with the secret in it, and nobody else."""

import json
import socket
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from infra.local.lambda_service import Addresses

from .conftest import Caller, Lab, eventually
from .test_invoke import ECHO

INVOKE = "/2015-03-31/functions/fn/invocations"
PATHS = (INVOKE, "/async/fn", "/queue/fn", "/other")
FORGED = {"requestContext": {"authorizer": {"iam": {"userArn": "mine"}}}}


def is_refused(caller: Caller, target: str) -> bool:
    """Whether a request is refused with not a word, and nothing is run for it."""
    answer = caller.ask("POST", target, json.dumps(FORGED).encode())
    stats = caller.service.stats("fn")
    told = {name.lower() for name in answer.headers} - {"server", "date", "content-length"}
    return (answer.status, answer.body, told) == (403, b"", set()) and stats.starts == 0


@pytest.mark.parametrize("path", PATHS)
def test_without_the_secret_nothing_is_run_or_told(lab: Lab, path: str) -> None:
    caller = lab.service(lab.function(ECHO))

    assert is_refused(caller, path)


@pytest.mark.parametrize("path", PATHS)
def test_with_a_wrong_secret_nothing_is_run_or_told(lab: Lab, path: str) -> None:
    caller = lab.service(lab.function(ECHO))
    secret = caller.service.addresses.secret

    assert is_refused(caller, f"/{Addresses(port=1).secret}{path}")
    assert is_refused(caller, f"/{secret[:-1]}{path}")
    assert is_refused(caller, f"/{secret}x{path}")
    assert is_refused(caller, f"/{secret.swapcase()}{path}")
    assert is_refused(caller, f"/x/{secret}{path}")
    assert is_refused(caller, f"/?{secret}{path}")


@pytest.mark.parametrize(
    "target", [b"/", b"//", b"/%00/", b"*", b"http://[/x", b"/\xe9/async/fn", b"x" * 60_000]
)
def test_what_is_no_path_of_ours_is_refused_alike(lab: Lab, target: bytes) -> None:
    addresses = lab.service(lab.function(ECHO)).service.addresses
    with socket.create_connection(("127.0.0.1", addresses.port), timeout=10) as peer:
        head = b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        peer.sendall(b"POST " + target + head)

        assert peer.makefile("rb").readline() == b"HTTP/1.1 403 Forbidden\r\n"


def test_the_secret_alone_names_no_function(lab: Lab) -> None:
    caller = lab.service(lab.function(ECHO))

    assert is_refused(caller, f"/{caller.service.addresses.secret}")
    assert caller.post("/", b"1").status == 404
    answer = caller.post("/nothing", b"1")
    assert answer.status == 404
    assert caller.service.addresses.secret.encode() not in answer.body


def test_other_methods_invoke_nothing_with_or_without_the_secret(lab: Lab) -> None:
    caller = lab.service(lab.function(ECHO))
    right = urlsplit(caller.service.addresses.of_invoke("fn")).path

    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        assert caller.ask(method, INVOKE).status == caller.ask(method, right).status == 501
    assert caller.service.stats("fn").starts == 0


def test_with_the_secret_each_address_runs_its_function(lab: Lab) -> None:
    caller = lab.service(lab.function(ECHO))
    addresses = caller.service.addresses

    def ask(url: str) -> int:
        return caller.ask("POST", urlsplit(url).path, b"{}").status

    assert ask(addresses.of_invoke("fn")) == 200
    assert ask(addresses.of_queue("fn")) == 200
    assert ask(addresses.of_async("fn")) == 200
    eventually(lambda: caller.service.stats("fn").done == 3, "all of them ran")


def test_a_web_page_that_had_the_secret_could_not_invoke_either(lab: Lab) -> None:
    caller = lab.service(lab.function(ECHO))

    assert caller.post(INVOKE, b"{}", Origin="http://a.example").status == 403
    assert caller.service.stats("fn").starts == 0


def test_an_aws_client_invokes_with_the_right_endpoint_alone(lab: Lab) -> None:
    caller = lab.service(lab.function(ECHO))
    addresses = caller.service.addresses
    session = boto3.Session("test", "test", region_name="us-east-1")

    def invoke(endpoint: str, **how: str) -> int:
        once = Config(retries={"total_max_attempts": 1})
        client = session.client("lambda", endpoint_url=endpoint, config=once)
        try:
            status: int = client.invoke(FunctionName="fn", Payload=b"{}", **how)["StatusCode"]
        finally:
            client.close()
        return status

    for wrong in (f"http://{addresses.host_and_port}", Addresses(port=addresses.port).url):
        with pytest.raises(ClientError) as refusal:
            invoke(wrong)
        assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert caller.service.stats("fn").starts == 0
    assert invoke(addresses.url) == 200
    assert invoke(f"{addresses.url}/", InvocationType="Event") == 202
    eventually(lambda: caller.service.stats("fn").done == 2, "both ran")


def test_a_secret_that_was_given_out_before_the_start_is_the_services(lab: Lab) -> None:
    caller = lab.service(lab.function(ECHO), secret="told-before")

    assert caller.ask("POST", f"/told-before{INVOKE}", b"1").json["event"] == 1


def test_every_start_has_a_secret_of_its_own(lab: Lab) -> None:
    caller = lab.service(lab.function(ECHO))
    before = caller.service.addresses.secret
    caller.service.stop()
    caller.service.start()

    assert caller.service.addresses.secret != before
    assert is_refused(caller, f"/{before}{INVOKE}")


@given(st.integers(1, 65_535))
def test_only_the_urls_have_the_secret(port: int) -> None:
    addresses = Addresses(port=port)

    assert len(addresses.secret) >= 43  # 256 bits
    assert addresses.url == f"http://127.0.0.1:{port}/{addresses.secret}"
    assert addresses.secret not in repr(addresses) + addresses.host_and_port
