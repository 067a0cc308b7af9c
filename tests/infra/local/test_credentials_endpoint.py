"""The local credentials provider, asked as a device asks AWS's."""

import datetime
import http.client
import json
import ssl
import threading
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.local.stack import LocalStack
from infra.provision import provision, provision_operator
from infra.target import Target

pytestmark = pytest.mark.stack


def silent(_: str) -> None: ...


def ask(
    target: Target, folder: Path, thing: str | None, alias: str = "sightline-device"
) -> tuple[int, dict[str, Any]]:
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    context.load_cert_chain(folder / "certificate.pem", folder / "private.key")
    host, _, port = target.endpoints().credentials.partition(":")
    connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=10)
    headers = {} if thing is None else {"x-amzn-iot-thingname": thing}
    try:
        connection.request("GET", f"/role-aliases/{alias}/credentials", headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def door(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("devices") / "door"
    return provision("door", target=target, folder=folder, say=silent).folder


def s3_of(target: Target, credentials: dict[str, str]) -> Any:
    return boto3.client(
        "s3",
        region_name=target.account.region,
        endpoint_url=target.endpoints().s3,
        aws_access_key_id=credentials["accessKeyId"],
        aws_secret_access_key=credentials["secretAccessKey"],
        aws_session_token=credentials["sessionToken"],
    )


def test_a_device_gets_keys_as_from_aws(target: Target, door: Path) -> None:
    status, body = ask(target, door, "door")

    assert status == 200
    assert set(body["credentials"]) == {
        "accessKeyId",
        "secretAccessKey",
        "sessionToken",
        "expiration",
    }
    expires = datetime.datetime.fromisoformat(body["credentials"]["expiration"])
    left = expires - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(minutes=50) < left <= datetime.timedelta(minutes=60)


def test_with_them_it_may_put_its_own_frames_and_nothing_else(target: Target, door: Path) -> None:
    s3 = s3_of(target, ask(target, door, "door")[1]["credentials"])
    bucket = target.output("MediaBucket")

    for prefix in ("frames", "segments"):
        s3.put_object(Bucket=bucket, Key=f"{prefix}/door/1", Body=b"x", IfNoneMatch="*")
    for refused in (
        lambda: s3.put_object(Bucket=bucket, Key="frames/other/1", Body=b"x"),
        lambda: s3.put_object(Bucket=bucket, Key="frames/doors/1", Body=b"x"),
        lambda: s3.put_object(Bucket=bucket, Key="frames/door", Body=b"x"),
        lambda: s3.put_object(Bucket=bucket, Key="else/door/1", Body=b"x"),
        lambda: s3.get_object(Bucket=bucket, Key="frames/door/1"),
        lambda: s3.delete_object(Bucket=bucket, Key="frames/door/1"),
        lambda: s3.list_objects_v2(Bucket=bucket, Prefix="frames/door/"),
        s3.list_buckets,
    ):
        with pytest.raises(ClientError) as refusal:
            refused()
        assert refusal.value.response["Error"]["Code"] == "AccessDenied"


@pytest.mark.parametrize("thing", ["other", "", None, "../door"])
def test_nobody_gets_another_things_keys(target: Target, door: Path, thing: str | None) -> None:
    assert ask(target, door, thing) == (403, {"message": "Access Denied"})


def test_an_operators_certificate_opens_nothing_here(target: Target, tmp_path: Path) -> None:
    operator = provision_operator(target=target, folder=tmp_path / "op", say=silent).folder

    assert ask(target, operator, "door")[0] == 403


def test_an_alias_that_is_not_there_is_said_so(target: Target, door: Path) -> None:
    assert ask(target, door, "door", "none") == (404, {"message": "Role alias does not exist"})


def test_a_certificate_that_was_switched_off_gets_no_more(target: Target, tmp_path: Path) -> None:
    made = provision("off", target=target, folder=tmp_path / "off", say=silent)
    assert ask(target, made.folder, "off")[0] == 200

    target.client("iot").update_certificate(certificateId=made.certificate_id, newStatus="INACTIVE")

    assert ask(target, made.folder, "off")[0] == 403


def test_without_the_policy_there_are_no_keys(target: Target, tmp_path: Path) -> None:
    made = provision("bare", target=target, folder=tmp_path / "bare", say=silent)
    iot = target.client("iot")
    (arn,) = iot.list_thing_principals(thingName="bare")["principals"]

    iot.detach_policy(policyName=target.output("DevicePolicy"), target=arn)

    assert ask(target, made.folder, "bare")[0] == 403


def test_without_a_certificate_there_is_no_connection(target: Target, door: Path) -> None:
    host, _, port = target.endpoints().credentials.partition(":")
    context = ssl.create_default_context(cafile=door / "ca.pem")
    connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=10)

    # With TLS 1.3 the refusal comes with the first bytes that are read.
    connection.connect()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connection.sock.recv(1) or connection.sock.recv(1, 1 << 30)
    connection.close()


def test_a_client_that_says_nothing_holds_up_nobody(target: Target, door: Path) -> None:
    import socket

    host, _, port = target.endpoints().credentials.partition(":")
    mute = [socket.create_connection((host, int(port))) for _ in range(8)]
    try:
        assert ask(target, door, "door")[0] == 200
    finally:
        for each in mute:
            each.close()


def test_many_devices_may_ask_at_once(stack: LocalStack, target: Target, door: Path) -> None:
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(ask(target, door, "door")[0]))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert answers == [200] * 16
