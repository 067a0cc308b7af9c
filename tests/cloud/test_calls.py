"""What a frame costs in requests to AWS: counted on the wire, with the adapters that run there."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from boto3.session import Session

from cloud import aws
from cloud.gallery import GalleryCache
from cloud.intake import Reference
from cloud.iot import IotResults
from cloud.people_table import PeopleTable, TableNames
from cloud.recognition import Ports, Recognition
from cloud.register import Change
from cloud.s3 import S3Frames
from cloud.sightings_table import SightingsTable
from infra.local.ministack.server import MiniStackServer
from sightline.messages import FrameCaptured
from tests.cloud.fakes import (
    NOON,
    RED,
    Clock,
    FakeEngine,
    FakeRecognizer,
    a_face,
    a_person,
    picture,
    seen_face,
)

FIRST = {
    ("s3", "GetObject"): 1,
    ("dynamodb", "GetItem"): 2,  # was it answered before; is the gallery still this one
    ("dynamodb", "TransactWriteItems"): 1,
    ("iot-data-plane", "Publish"): 1,
}
AGAIN = {
    ("dynamodb", "GetItem"): 2,  # it was, and this is what was said
    ("iot-data-plane", "Publish"): 1,
}


class Requests:
    """Counts every request that leaves a client, tries again included."""

    def __init__(self) -> None:
        self.sent: Counter[tuple[str, str]] = Counter()

    def watch(self, client: aws.Client) -> aws.Client:
        client.meta.events.register("before-send", self._count)
        return client

    def during(self, work: Callable[[], object]) -> dict[tuple[str, str], int]:
        self.sent.clear()
        work()
        return dict(self.sent)

    def _count(self, event_name: str, **_: Any) -> None:
        _, service, operation = event_name.split(".")
        self.sent[service, operation] += 1


@pytest.fixture
def requests() -> Requests:
    return Requests()


@pytest.fixture
def bucket(s3_client: aws.Client) -> str:
    name = f"media-{uuid4()}"
    s3_client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def recognition(
    ministack: MiniStackServer,
    session: Session,
    requests: Requests,
    bucket: str,
    people_table: PeopleTable,
    table_names: TableNames,
    sightings_table: SightingsTable,
) -> Recognition:
    """The function's work, warm, with one person enrolled who is in every red picture."""

    def client(service: str) -> aws.Client:
        return requests.watch(aws.client(session, service, ministack.url))

    change = Change(person_id="ada-lovelace", expected=None, person=a_person(), added=(a_face(),))
    people_table.write(change)
    engine, clock, dynamo = FakeEngine(), Clock(), client("dynamodb")
    register = PeopleTable(dynamo, table_names, sleep=clock.sleep)
    made = Recognition(
        Ports(
            frames=S3Frames(client("s3"), bucket),
            sightings=SightingsTable(dynamo, sightings_table.name),
            results=IotResults(client("iot-data")),
            gallery=GalleryCache(register, engine=engine.id, dimension=engine.dimension),
            recognizer=FakeRecognizer({RED: [seen_face(1, 0, 0, 0)]}),
            engine=engine,
        ),
        sighting_days=90,
        now=clock.now,
        sleep=clock.sleep,
    )
    made.warm_up()
    return made


def reference(frame_id: str) -> Reference:
    captured = FrameCaptured(
        key=f"frames/door/2026/11/21/{frame_id}.jpg", captured_at=NOON - timedelta(seconds=1)
    )
    return Reference(device="door", captured=captured, received_at=NOON)


def test_a_frame_of_somebody_known_is_one_get_three_of_dynamodb_and_one_publish(
    recognition: Recognition,
    requests: Requests,
    s3_client: aws.Client,
    bucket: str,
    sightings_table: SightingsTable,
) -> None:
    for frame_id in ("f1", "f2"):
        s3_client.put_object(Bucket=bucket, Key=reference(frame_id).captured.key, Body=picture(RED))

    first = requests.during(lambda: recognition.serve(reference("f1")))
    second = requests.during(lambda: recognition.serve(reference("f2")))
    repeat = requests.during(lambda: recognition.serve(reference("f1")))

    assert first == second == FIRST
    assert repeat == AGAIN
    kept = sightings_table.find("door", "f1")
    assert kept is not None
    assert [face.decision for face in kept.faces] == ["known"]


def test_a_foreign_key_costs_the_answer_alone(recognition: Recognition, requests: Requests) -> None:
    captured = FrameCaptured(key="frames/window/1.jpg")
    foreign = Reference(device="door", captured=captured, received_at=NOON)

    sent = requests.during(lambda: recognition.serve(foreign))

    assert sent == {("iot-data-plane", "Publish"): 1}


def test_a_change_of_people_is_read_once(
    recognition: Recognition,
    requests: Requests,
    s3_client: aws.Client,
    bucket: str,
    people_table: PeopleTable,
) -> None:
    for frame_id in ("f1", "f2"):
        s3_client.put_object(Bucket=bucket, Key=reference(frame_id).captured.key, Body=picture(RED))
    person = a_person("grace-hopper", name="Grace Hopper")
    face = a_face("grace-hopper", "1", (0, 0, 1, 0))
    people_table.write(
        Change(person_id="grace-hopper", expected=None, person=person, added=(face,))
    )

    after = requests.during(lambda: recognition.serve(reference("f1")))
    rest = requests.during(lambda: recognition.serve(reference("f2")))

    # People, the faces of whoever is new, and the version again: has it changed meanwhile?
    more = Counter(after) - Counter(FIRST)
    assert more == {
        ("dynamodb", "Scan"): 1,
        ("dynamodb", "Query"): 1,
        ("dynamodb", "GetItem"): 1,
    }
    assert rest == FIRST
