"""What each may do, tried: real certificates, and the temporary credentials of real roles.

The stack's MiniStack enforces IAM's and AWS IoT's policies as the template has them;
tests/infra/test_template_policies.py reads them. Who is let in at all is in test_certificates.py,
and what a claim may do in test_fleet_provisioning.py.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from device.clock import utc_now
from device.network import identity
from device.network.credentials import CredentialsEndpoint
from device.network.iot_link import IotLink
from device.network.s3_frame_store import S3FrameStore
from device.remote.status import last_will
from device.settings import Settings
from infra.local.deployed import role_credentials
from infra.target import Target
from sightline.errors import ConfigError, TransportError
from sightline.topics import through, topic
from tests.end_to_end.actors import Device, Operator, eventually, new_key

pytestmark = pytest.mark.stack

MakeDevice = Callable[..., Device]
Store = Callable[[str, bytes], None]
ClientOf = Callable[[str], Any]
CHANNELS = ("frames", "status", "results", "errors", "commands")
REFUSED = {"AccessDenied", "AccessDeniedException", "ForbiddenException", "UnauthorizedException"}
REFUSED |= {"AWS.SimpleQueueService.AccessDenied", "AuthorizationError"}


@contextmanager
def connected(device: Device) -> Iterator[IotLink]:
    """Connect as a device does."""
    settings = Settings.load(device.settings)
    link = IotLink(
        settings.iot,
        identity.load(settings.iot),
        device.thing,
        will_topic=topic(device.thing, "status"),
        will=lambda: last_will(device.thing, utc_now()),
    )
    with link:
        eventually("connection", lambda: _goes_out(link, topic(device.thing, "status")))
        yield link


def test_a_device_cannot_speak_as_another_or_as_the_cloud(device: MakeDevice) -> None:
    front, back = device(), device()
    with connected(front) as link:
        for channel in CHANNELS:
            with pytest.raises(TransportError, match=r"not authorized.*policy"):
                link.publish(topic(back.thing, channel), b"{}")
        for channel in ("results", "errors", "commands"):
            with pytest.raises(TransportError, match="not authorized"):
                link.publish(topic(front.thing, channel), b"{}")


def test_a_device_cannot_write_anothers_shadow(device: MakeDevice) -> None:
    front, back = device(), device()
    with connected(front) as link:
        for name in ("get", "update"):
            with pytest.raises(TransportError, match="not authorized"):
                link.publish(f"$aws/things/{back.thing}/shadow/{name}", b"{}")


def test_a_device_cannot_go_past_the_broker_unless_that_is_switched_on(
    target: Target, device: MakeDevice
) -> None:
    front, back = device(), device()
    rule = target.output("FramesRule")
    with connected(front) as link:
        for thing in (front.thing, back.thing):
            with pytest.raises(TransportError, match="not authorized"):
                link.publish(through(rule, topic(thing, "frames")), b"{}")


@pytest.mark.parametrize(
    "pattern",
    [
        "#",
        "sightline/v1/#",
        "sightline/v1/+/results",
        "sightline/v1/{other}/results",
        "sightline/v1/{other}/frames",
        "$aws/things/{other}/shadow/get/accepted",
    ],
)
def test_a_device_cannot_hear_what_is_not_its_own(
    device: MakeDevice, operator: Operator, caplog: pytest.LogCaptureFixture, pattern: str
) -> None:
    front, back = device(), device()
    overheard: list[str] = []
    with connected(front) as link:
        link.subscribe(pattern.format(other=back.thing), lambda name, _: overheard.append(name))
        eventually("refusal", lambda: "refused to subscribe" in caplog.text)
        operator.send(back.thing, "not JSON")
        operator.rejection_of(back.thing)

    assert [name for name in overheard if back.thing in name] == []


def test_a_devices_credentials_are_for_putting_its_own_frames_alone(
    target: Target, device: MakeDevice, store: Store
) -> None:
    front, back = device(), device()
    settings = Settings.load(front.settings)
    who = identity.load(settings.iot)
    address, alias = settings.storage.credentials_endpoint, settings.storage.role_alias
    endpoint = CredentialsEndpoint(address, alias, front.thing, who)
    bucket, key, others = settings.storage.bucket, new_key(front.thing), new_key(back.thing)
    store(others, b"x")

    with pytest.raises(ConfigError, match=rf"thing {back.thing} no credentials .*403"):
        CredentialsEndpoint(address, alias, back.thing, who).fetch()
    mine = S3FrameStore(settings.storage, endpoint.fetch)
    mine.put(key, b"frame", hashlib.sha256(b"frame").hexdigest())
    with pytest.raises(ConfigError, match=bucket):
        mine.put(new_key(back.thing), b"frame", hashlib.sha256(b"frame").hexdigest())
    keys = endpoint.fetch()
    given = (keys["access_key"], keys["secret_key"], keys["token"])
    s3, tables, functions = (_client(target, n, *given) for n in ("s3", "dynamodb", "lambda"))
    refuse(
        lambda: s3.put_object(Bucket=bucket, Key=new_key(back.thing), Body=b"x"),
        lambda: s3.put_object(Bucket=bucket, Key=f"segments/{back.thing}/1.mp4", Body=b"x"),
        lambda: s3.put_object(Bucket=bucket, Key="1.jpg", Body=b"x"),
        lambda: s3.get_object(Bucket=bucket, Key=key),
        lambda: s3.get_object(Bucket=bucket, Key=others),
        lambda: s3.head_object(Bucket=bucket, Key=others),
        lambda: s3.delete_object(Bucket=bucket, Key=key),
        lambda: s3.list_objects_v2(Bucket=bucket),
        lambda: s3.list_objects_v2(Bucket=bucket, Prefix=f"frames/{front.thing}/"),
        lambda: s3.delete_bucket_policy(Bucket=bucket),
        s3.list_buckets,
        lambda: tables.scan(TableName=target.output("PeopleTable")),
        lambda: tables.scan(TableName=target.output("SightingsTable")),
        lambda: functions.invoke(FunctionName=target.output("RecognizeFunction"), Payload=b"{}"),
    )


@pytest.fixture
def as_function(target: Target) -> ClientOf:
    """Make a client with the recognition function's own rights."""
    return _as_role(target, _role_of(target, "RecognizeFunction"))


def test_the_function_can_read_frames_and_write_nothing_there(
    target: Target, thing: str, store: Store, as_function: ClientOf
) -> None:
    bucket, key, segment = target.output("MediaBucket"), new_key(thing), f"segments/{thing}/1.mp4"
    store(key, b"x")
    store(segment, b"x")
    s3 = as_function("s3")

    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"x"
    refuse(
        lambda: s3.put_object(Bucket=bucket, Key=new_key(thing), Body=b"x"),
        lambda: s3.delete_object(Bucket=bucket, Key=key),
        lambda: s3.get_object(Bucket=bucket, Key=segment),
        lambda: s3.list_objects_v2(Bucket=bucket, Prefix="segments/"),
        lambda: s3.delete_bucket_policy(Bucket=bucket),
        s3.list_buckets,
    )


def test_the_function_can_neither_change_nor_delete_people(
    target: Target, grace: str, as_function: ClientOf
) -> None:
    tables = as_function("dynamodb")
    people, faces, meta = (target.output(f"{n}Table") for n in ("People", "Faces", "Meta"))
    who = {"person_id": {"S": grace}}

    assert tables.scan(TableName=people)["Items"]
    refuse(
        lambda: tables.put_item(TableName=people, Item=who),
        lambda: tables.delete_item(TableName=people, Key=who),
        lambda: tables.update_item(TableName=people, Key=who),
        lambda: tables.delete_item(TableName=faces, Key={**who, "face_id": {"S": "1"}}),
        lambda: tables.put_item(TableName=meta, Item={"name": {"S": "gallery"}}),
        lambda: tables.transact_write_items(
            TransactItems=[{"Delete": {"TableName": people, "Key": who}}]
        ),
        *(lambda name=name: tables.delete_table(TableName=name) for name in (people, faces, meta)),
    )


def test_the_function_can_neither_read_through_nor_delete_sightings(
    target: Target, thing: str, as_function: ClientOf
) -> None:
    tables, name = as_function("dynamodb"), target.output("SightingsTable")
    key = {"device": {"S": thing}, "seen": {"S": "frame#1"}}

    assert "Item" not in tables.get_item(TableName=name, Key=key)
    refuse(
        lambda: tables.scan(TableName=name),
        lambda: tables.query(
            TableName=name,
            KeyConditionExpression="device = :d",
            ExpressionAttributeValues={":d": {"S": thing}},
        ),
        lambda: tables.delete_item(TableName=name, Key=key),
        lambda: tables.scan(TableName=target.output("SerialsTable")),
    )


def test_the_function_cannot_speak_for_a_device(
    target: Target, thing: str, as_function: ClientOf
) -> None:
    iot = as_function("iot-data")

    iot.publish(topic=topic(thing, "results"), payload=b"{}")
    refuse(
        *(
            lambda channel=channel: iot.publish(topic=topic(thing, channel), payload=b"{}")
            for channel in ("frames", "commands", "status")
        ),
        lambda: iot.publish(
            topic=through(target.output("FramesRule"), topic(thing, "frames")), payload=b"{}"
        ),
        lambda: as_function("iot").list_things(),
    )


def test_the_function_can_put_dead_letters_and_not_take_them(
    target: Target, as_function: ClientOf
) -> None:
    sqs, url = as_function("sqs"), target.output("DeadLetterQueueUrl")

    refuse(
        lambda: sqs.receive_message(QueueUrl=url),
        lambda: sqs.purge_queue(QueueUrl=url),
        lambda: sqs.delete_queue(QueueUrl=url),
    )


def test_the_hook_can_bind_serial_numbers_and_nothing_else(target: Target) -> None:
    as_hook = _as_role(target, _role_of(target, "AdmitFunction"))
    tables, serials = as_hook("dynamodb"), target.output("SerialsTable")
    key = {"serial_number": {"S": "none"}}

    refuse(
        lambda: tables.get_item(TableName=serials, Key=key),
        lambda: tables.put_item(TableName=serials, Item=key),
        lambda: tables.delete_item(TableName=serials, Key=key),
        lambda: tables.scan(TableName=serials),
        lambda: tables.scan(TableName=target.output("PeopleTable")),
        lambda: as_hook("s3").list_objects_v2(Bucket=target.output("MediaBucket")),
        lambda: as_hook("iot").list_things(),
    )


def test_an_operator_can_send_frames_and_commands_but_no_results(
    device: MakeDevice, operator: Operator
) -> None:
    made = device()

    operator.publish(topic(made.thing, "commands"), '{"command": "capture"}')
    for channel in ("results", "errors", "status"):
        with pytest.raises(ConfigError, match=rf"refuses a publish to .*{channel}"):
            operator.publish(topic(made.thing, channel), "{}")


def refuse(*attempts: Callable[[], object]) -> None:
    """Try each; every one must be refused for want of a right, and for nothing else."""
    for number, attempt in enumerate(attempts):
        with pytest.raises(ClientError) as refusal:
            attempt()
        error = refusal.value.response["Error"]
        # A HEAD's answer has no body, so its status stands for the code.
        assert error["Code"] in {*REFUSED, "403"}, (number, error)


def _goes_out(link: IotLink, name: str) -> bool:
    try:
        link.publish(name, b"{}")
    except TransportError:
        return False
    return True


def _role_of(target: Target, output: str) -> str:
    found = target.client("lambda").get_function(FunctionName=target.output(output))
    role: str = found["Configuration"]["Role"]
    return role


def _as_role(target: Target, role: str) -> ClientOf:
    keys = role_credentials(target.account, role, "test")()
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    return lambda service: _client(target, service, *(keys[name] for name in names))


def _client(target: Target, service: str, key: str, secret: str, token: str) -> Any:
    return boto3.client(
        service,
        region_name=target.account.region,
        endpoint_url=target.account.endpoint,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
    )
