"""What our launcher makes of MiniStack."""

import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.account import AccessKey, Account
from infra.local.ministack.server import REGION, MiniStackServer, RootKey, ServerSettings
from infra.local.ports import free_port

pytestmark = pytest.mark.stack
EMPTY_ZIP = b"PK\5\6" + bytes(18)
ROOT = RootKey(key_id="AKIATESTTESTTESTTEST", secret="of-the-tests")


@pytest.fixture
def server_settings(ministack_python: Path, tmp_path: Path) -> ServerSettings:
    return ServerSettings(
        python=ministack_python,
        folder=tmp_path / "ministack",
        gateway_port=free_port(),
        mqtt_port=free_port(),
        root=ROOT,
        save_every_s=0.2,
    )


@pytest.fixture
def server(server_settings: ServerSettings) -> Iterator[MiniStackServer]:
    with MiniStackServer(server_settings) as server:
        yield server


def account(server: MiniStackServer) -> Account:
    key = AccessKey(key_id=ROOT.key_id, secret=ROOT.secret)
    return Account(region=REGION, key=key, endpoint=server.url)


@pytest.mark.parametrize(
    ("key", "secret"),
    [("test", "test"), ("000000000000", "x"), (ROOT.key_id, "guessed"), ("AKIAOTHER", "x")],
)
def test_only_the_root_key_is_root(server: MiniStackServer, key: str, secret: str) -> None:
    session = boto3.Session(key, secret, region_name=REGION)

    for call in (
        session.client("sts", endpoint_url=server.url).get_caller_identity,
        session.client("s3", endpoint_url=server.url).list_buckets,
        session.client("iot", endpoint_url=server.url).list_things,
    ):
        with pytest.raises(ClientError) as refusal:
            call()
        assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parametrize("path", ["/", "/bucket", "/things"])
def test_nobody_is_let_in_unsigned(server: MiniStackServer, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(server.url + path)  # noqa: S310  # our own gateway
    refusal.value.close()

    assert refusal.value.code == 403


@pytest.mark.parametrize("path", ["/_ministack/reset", "/_ministack/config", "/_localstack/x"])
def test_its_own_switches_are_off(server: MiniStackServer, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(server.url + path, data=b"{}")  # noqa: S310  # our own gateway
    refusal.value.close()

    assert refusal.value.code == 403


def test_no_page_in_a_browser_can_open_a_session(server: MiniStackServer) -> None:
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol": "mqtt",
        "Host": "abc-ats.iot.us-east-1.localhost",
    }
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(  # noqa: S310  # our own gateway
            urllib.request.Request(server.url + "/mqtt", headers=headers)  # noqa: S310
        )
    refusal.value.close()

    assert refusal.value.code == 403


def test_the_folder_is_for_its_owner_alone(
    server: MiniStackServer, server_settings: ServerSettings
) -> None:
    assert server_settings.folder.stat().st_mode & 0o077 == 0


def test_a_kill_loses_nothing_that_was_saved(
    server: MiniStackServer, server_settings: ServerSettings
) -> None:
    account(server).client("iot").create_thing(thingName="door")
    saved = server_settings.folder / "state" / "iot.json"
    deadline = time.monotonic() + 15
    while not (saved.exists() and b'"door"' in saved.read_bytes()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    server.stop()

    with MiniStackServer(replace(server_settings, gateway_port=free_port())) as again:
        things = account(again).client("iot").list_things()["things"]
    assert [thing["thingName"] for thing in things] == ["door"]


def test_a_stop_in_the_middle_of_a_save_loses_nothing(
    server_settings: ServerSettings,
) -> None:
    hasty = replace(server_settings, save_every_s=0.001)
    with MiniStackServer(hasty) as server:
        iot = account(server).client("iot")
        for number in range(40):
            iot.create_thing(thingName=f"door-{number}")

    with MiniStackServer(hasty) as again:
        things = account(again).client("iot").list_things(maxResults=100)["things"]
    assert len(things) == 40


def test_an_idle_one_writes_nothing(
    server: MiniStackServer, server_settings: ServerSettings
) -> None:
    state = server_settings.folder / "state"
    account(server).client("iot").create_thing(thingName="door")
    saved = state / "iot.json"
    deadline = time.monotonic() + 15
    while not saved.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    iot = account(server).client("iot")
    before = saved.stat().st_mtime_ns

    for _ in range(5):
        iot.list_things()

    assert saved.stat().st_mtime_ns == before


def test_the_broker_opens_when_told_so(
    server: MiniStackServer, server_settings: ServerSettings
) -> None:
    import socket

    address = ("127.0.0.1", server_settings.mqtt_port)
    with socket.socket() as early:
        assert early.connect_ex(address) != 0

    server.open_broker()

    with socket.socket() as late:
        assert late.connect_ex(address) == 0


def test_while_the_disk_is_full_nothing_is_acknowledged(server_settings: ServerSettings) -> None:
    full = replace(server_settings, least_free_bytes=2**62)
    with MiniStackServer(full) as server:
        fast = {"config": Config(retries={"total_max_attempts": 1}), "endpoint_url": server.url}
        session = boto3.Session(ROOT.key_id, ROOT.secret, region_name=REGION)
        s3, sqs = session.client("s3", **fast), session.client("sqs", **fast)

        for call in (
            lambda: s3.create_bucket(Bucket="kept"),
            lambda: sqs.create_queue(QueueName="kept"),
        ):
            with pytest.raises(ClientError) as refusal:
                call()
            assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        assert s3.list_buckets()["Buckets"] == []


def test_the_address_of_a_function_is_in_no_error(server_settings: ServerSettings) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/secret-of-the-service/async/fn"
    with MiniStackServer(replace(server_settings, functions={"fn": nobody})) as server:
        client = account(server).client("lambda")
        account(server).client("iam").create_role(RoleName="fn", AssumeRolePolicyDocument="{}")
        client.create_function(
            FunctionName="fn",
            Runtime="python3.12",
            Role="arn:aws:iam::000000000000:role/fn",
            Handler="app.handler",
            Code={"ZipFile": EMPTY_ZIP},
        )
        server.open_broker()

        answer = client.invoke(FunctionName="fn", Payload=b"{}")

    said = answer["Payload"].read().decode()
    assert answer["FunctionError"]
    assert "Proxy target of the function unreachable" in said
    assert "secret" not in said + server.log_path.read_text()
