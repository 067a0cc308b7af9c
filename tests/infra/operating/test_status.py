"""How a stack is said to be."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloud.sightings import Sighting
from cloud.sightings_table import SightingsTable
from infra.account import Account
from infra.deploy import Deployment, deploy
from infra.deploying.stack import resources
from infra.destroy import destroy
from infra.operating import status
from infra.provision import provision
from infra.target import Target
from sightline.errors import TransportError
from sightline.messages import Counters, DeviceStatus, Face, FrameRecognized, Person, encode
from tests.infra.stubbed import ID, REGION, Stubbed, described, stubbed

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ADA = Person(id="ada", name="Ada Lovelace", record={})


def face(person: Person | None) -> Face:
    return Face(
        box=(0, 0, 9, 9),
        detection=0.9,
        decision="known" if person else "unknown",
        person=person,
        distance=0.4,
        margin=None,
        threshold=0.5,
    )


def answer(device: str, number: int, *people: Person | None) -> FrameRecognized:
    at = NOW + timedelta(seconds=number)
    return FrameRecognized(
        frame_id=f"{device}-{number}",
        device=device,
        captured_at=at,
        recognized_at=at + timedelta(milliseconds=250),
        width=10,
        height=10,
        faces=tuple(map(face, people)),
        engine="dlib-resnet@1",
        gallery=1,
        repeat=False,
        timings_ms={},
    )


@pytest.fixture
def deployed(
    account: Account, deployment: Callable[..., Deployment], tmp_path: Path
) -> Iterator[Target]:
    outputs = deploy(account, deployment("shown"), lambda _: None)
    yield Target(account=account, stack="shown", outputs=outputs)
    destroy(account, "shown", lambda _: None, everything=True)


@pytest.mark.stack
def test_all_parts_of_a_stack_in_use(deployed: Target, tmp_path: Path) -> None:
    for thing in ("shown-door", "shown-silent"):
        provision(thing, target=deployed, folder=tmp_path / thing, say=lambda _: None)
    said = DeviceStatus(
        device="shown-door",
        state="online",
        at=NOW,
        version="1.2",
        counters=Counters(dropped=3),
        spooled=5,
    )
    data = deployed.client("iot-data")
    topic = "sightline/v1/shown-door/status"
    data.publish(topic=topic, qos=1, retain=True, payload=encode(said))
    table = SightingsTable(deployed.client("dynamodb"), deployed.output("SightingsTable"))
    for number in range(7):
        result = answer("shown-door", number, ADA, None, None)
        table.keep(Sighting(result=result, expires_at=NOW + timedelta(days=400)))
    for name, changed_at in (("a", NOW), ("b", NOW - timedelta(minutes=5))):
        row = {"video": {"S": name}, "row": {"S": "video"}, "open": {"S": "open"}}
        row["changed_at"] = {"S": changed_at.isoformat(timespec="microseconds")}
        deployed.client("dynamodb").put_item(TableName=deployed.output("VideosTable"), Item=row)
    url = deployed.output("DeadLetterQueueUrl")
    deployed.client("sqs").send_message(QueueUrl=url, MessageBody="{}")
    cloudwatch = deployed.client("cloudwatch")
    alarm = next(
        each.physical_id for each in resources(deployed.account, "shown", "AWS::CloudWatch::Alarm")
    )
    cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="so")

    found = status.read(deployed)

    assert found.stack.value is not None
    assert (found.stack.value.name, found.stack.value.state) == ("shown", "CREATE_COMPLETE")
    assert found.functions.value is not None
    assert "shown-recognize" in [each.name for each in found.functions.value]
    assert found.devices.value is not None
    devices = {each.name: each for each in found.devices.value}
    assert devices["shown-door"] == status.DeviceState(
        name="shown-door", state="online", at=NOW, version="1.2", spooled=5, dropped=3
    )
    assert devices["shown-silent"].state == "never heard"
    assert found.videos.value is not None
    assert found.videos.value.unfinished == 2
    assert found.videos.value.since == NOW - timedelta(minutes=5)
    assert found.dead_letters.value is not None
    assert found.dead_letters.value.count == 1
    assert found.dead_letters.value.oldest_s is not None
    assert found.results.value is not None
    newest = found.results.value[0]
    assert len(found.results.value) == 5
    assert newest.captured_at == NOW + timedelta(seconds=6)
    assert (newest.names, newest.late_ms) == (("Ada Lovelace",), 250)
    assert newest.decisions == {"known": 1, "unknown": 2}
    assert found.alarms.value is not None
    assert [each.partition(":")[0] for each in found.alarms.value] == [alarm]
    plain = json.loads(json.dumps(status.as_json(found)))
    assert plain["results"][0]["names"] == ["Ada Lovelace"]
    assert plain["dead_letters"]["count"] == 1


@pytest.fixture
def aws() -> Iterator[Stubbed]:
    """Not on MiniStack, where these tests' key may do everything."""
    with stubbed() as aws:
        yield aws


OUTPUTS = {
    "DeadLetterQueueUrl": f"https://sqs.{REGION}.amazonaws.com/{ID}/cam-dead-letters",
    "SightingsTable": "cam-sightings",
    "Engine": "dlib",
}


def test_what_one_may_not_see_is_said_there_and_the_rest_is_shown(aws: Stubbed) -> None:
    target = Target(account=aws.account, stack="cam", outputs=OUTPUTS)
    aws.answer("cloudformation", "describe_stacks", described("UPDATE_COMPLETE"))
    for _ in range(2):  # functions, alarms
        aws.refuse("cloudformation", "list_stack_resources", "AccessDenied", "not you", 403)
    aws.refuse("iot-data", "list_retained_messages", "ForbiddenException", "not you", 403)
    counts = {
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesNotVisible": "2",
    }
    aws.answer("sqs", "get_queue_attributes", {"Attributes": counts})

    found = status.read(target)

    assert found.stack.value is not None
    assert found.dead_letters.value == status.DeadLetterState(count=0, in_flight=2, oldest_s=None)
    assert found.functions.error == "reading functions: AccessDenied: not you"
    assert found.devices.error == "reading devices: ForbiddenException: not you"
    assert status.as_json(found)["alarms"] == {"error": "reading alarms: AccessDenied: not you"}


def test_the_queues_age_is_what_cloudwatch_measured(aws: Stubbed) -> None:
    target = Target(account=aws.account, stack="cam", outputs=OUTPUTS)
    counts = {
        "ApproximateNumberOfMessages": "3",
        "ApproximateNumberOfMessagesNotVisible": "0",
    }
    aws.answer("sqs", "get_queue_attributes", {"Attributes": counts})
    point = {"Timestamp": NOW, "Maximum": 5400.0}
    aws.answer("cloudwatch", "get_metric_statistics", {"Datapoints": [point]})

    found = status.read(target).dead_letters.value

    assert found == status.DeadLetterState(count=3, in_flight=0, oldest_s=5400)


def test_aws_out_of_reach_is_no_missing_right(aws: Stubbed) -> None:
    aws.refuse("iot-data", "list_retained_messages", "ServiceUnavailableException", "later", 503)
    target = Target(account=aws.account, stack="cam", outputs=OUTPUTS)

    with pytest.raises(TransportError):
        status.read(target)
