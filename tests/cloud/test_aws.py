"""What AWS's errors mean to an operator; MiniStack answers as AWS does."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from boto3.session import Session
from botocore.exceptions import ClientError

from cloud import aws
from cloud.iot import IotResults
from cloud.people_table import PeopleTable, TableNames
from cloud.register import Change, ConflictError
from cloud.s3 import S3Frames
from cloud.sightings_table import SightingsTable
from infra.local.ministack.server import REGION, MiniStackServer
from infra.local.ports import free_port
from sightline.errors import ConfigError, MissingError, TransportError
from sightline.messages import FrameRejected
from tests.cloud.fakes import a_face, a_person

REJECTED = FrameRejected(
    frame_id=None, device="door", reason="not_json", detail="the payload is not JSON", key=None
)


def test_a_bucket_that_does_not_exist_is_named(s3_client: aws.Client) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        S3Frames(s3_client, "nowhere").get("frames/door/1.jpg")


def test_a_table_that_does_not_exist_is_named(dynamo_client: aws.Client) -> None:
    names = TableNames(people="no-people", faces="no-faces", meta="no-meta")
    register = PeopleTable(dynamo_client, names, sleep=lambda _: None)

    with pytest.raises(ConfigError, match="no-meta"):
        register.version()
    with pytest.raises(ConfigError, match="no-faces"):
        register.faces()
    with pytest.raises(ConfigError, match="no-people"):
        register.people(["x"])
    with pytest.raises(ConfigError, match="no-sightings"):
        SightingsTable(dynamo_client, "no-sightings").find("door", "1")


def test_a_key_that_aws_does_not_know_is_the_operators(ministack: MiniStackServer) -> None:
    stranger = Session(
        aws_access_key_id="AKIASTRANGERSTRANGER",  # pragma: allowlist secret
        aws_secret_access_key="guessed",
        region_name=REGION,
    )

    with pytest.raises(ConfigError, match="refuses"):
        S3Frames(aws.client(stranger, "s3", ministack.url), "media").get("frames/door/1.jpg")
    with pytest.raises(ConfigError, match="refuses"):
        IotResults(aws.client(stranger, "iot-data", ministack.url)).publish(REJECTED)


def test_nobody_answering_is_worth_another_try(session: Session) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"

    with pytest.raises(TransportError) as raised:
        S3Frames(aws.client(session, "s3", nobody), "media").get("frames/door/1.jpg")
    assert not isinstance(raised.value, MissingError)


def test_an_answer_is_accepted_by_the_broker(ministack: MiniStackServer, session: Session) -> None:
    IotResults(aws.client(session, "iot-data", ministack.url)).publish(REJECTED)


def test_a_row_that_somebody_else_wrote_is_left_out_with_a_warning(
    dynamo_client: aws.Client,
    table_names: TableNames,
    people_table: PeopleTable,
    caplog: pytest.LogCaptureFixture,
) -> None:
    dynamo_client.put_item(TableName=table_names.people, Item={"person_id": {"S": "typed-by-hand"}})
    dynamo_client.put_item(
        TableName=table_names.faces,
        Item={
            "person_id": {"S": "typed-by-hand"},
            "face_id": {"S": "1"},
            "embedding": {"B": b"123"},
        },
    )

    assert people_table.people() == {}
    assert list(people_table.faces()) == []
    assert "typed-by-hand" in caplog.text


def test_an_embedding_is_stored_as_little_endian_floats(
    dynamo_client: aws.Client, table_names: TableNames, people_table: PeopleTable
) -> None:
    person, face = a_person(), a_face(embedding=(1.0, 0.0, 0.0, -2.0))
    people_table.write(Change(person_id=person.id, expected=None, person=person, added=(face,)))

    [row] = dynamo_client.scan(TableName=table_names.faces)["Items"]
    assert row["embedding"]["B"] == bytes.fromhex("0000803f 00000000 00000000 000000c0")
    [row] = dynamo_client.scan(TableName=table_names.people)["Items"]
    assert json.loads(row["record"]["S"]) == person.record


def test_changes_at_the_same_moment_wait_for_one_another(
    session: Session, ministack: MiniStackServer, table_names: TableNames
) -> None:
    def enrol(number: int) -> None:
        client = aws.client(session, "dynamodb", ministack.url)
        register = PeopleTable(client, table_names, sleep=lambda _: None)
        person_id = f"person-{number}"
        register.write(
            Change(
                person_id=person_id,
                expected=None,
                person=a_person(person_id),
                added=(a_face(person_id),),
            )
        )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(enrol, range(12)))

    register = PeopleTable(
        aws.client(session, "dynamodb", ministack.url), table_names, sleep=lambda _: None
    )
    assert register.version() == 12
    assert len(register.faces()) == len(register.people()) == 12


class Cancelling:
    """A DynamoDB that gives up transactions for the reasons it is told, then takes one."""

    def __init__(self, *reasons: str) -> None:
        self.reasons = list(reasons)

    def transact_write_items(self, **request: object) -> None:
        if self.reasons:
            reasons = [{"Code": "None"}, {"Code": self.reasons.pop(0)}]
            raise ClientError(
                {
                    "Error": {"Code": "TransactionCanceledException", "Message": "cancelled"},
                    "CancellationReasons": reasons,
                },
                "TransactWriteItems",
            )


def write_over(*reasons: str) -> tuple[Cancelling, list[float]]:
    client, slept = Cancelling(*reasons), list[float]()
    names = TableNames(people="people", faces="faces", meta="meta")
    PeopleTable(client, names, sleep=slept.append).write(
        Change(person_id="ada-lovelace", expected=None, person=a_person())
    )
    return client, slept


@pytest.mark.parametrize("reason", ["TransactionConflict", "ThrottlingError"])
def test_a_transaction_that_another_is_in_the_way_of_is_tried_again(reason: str) -> None:
    client, slept = write_over(reason, reason)

    assert client.reasons == []
    assert len(slept) == 2
    assert 0 < slept[0] < slept[1] * 2 < 1


def test_a_transaction_that_others_are_always_in_the_way_of_is_given_up() -> None:
    with pytest.raises(TransportError, match="too many"):
        write_over(*["TransactionConflict"] * 99)


def test_a_transaction_given_up_for_another_reason_is_not_tried_again() -> None:
    with pytest.raises(TransportError, match="cancelled"):
        write_over("ValidationError")
    with pytest.raises(ConflictError):
        write_over("ConditionalCheckFailed")


class Scripted:
    """A DynamoDB that answers from a script, and remembers what it was asked."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def scan(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        return self.answers.pop(0)

    batch_get_item = scan


ROW = {
    "person_id": {"S": "ada"},
    "name": {"S": "Ada"},
    "record": {"S": "{}"},
    "created": {"S": "2026-11-21T12:00:00Z"},
    "updated": {"S": "2026-11-21T12:00:00Z"},
    "revision": {"N": "1"},
}
NAMES = TableNames(people="people", faces="faces", meta="meta")


def test_a_table_of_many_pages_is_read_to_its_end() -> None:
    key = {"person_id": {"S": "ada"}}
    client = Scripted(
        {"Items": [ROW], "LastEvaluatedKey": key},
        {"Items": [{**ROW, "person_id": {"S": "grace"}}]},
    )

    people = PeopleTable(client, NAMES, sleep=lambda _: None).people()

    assert set(people) == {"ada", "grace"}
    assert client.asked[1]["ExclusiveStartKey"] == key
    assert all(request["ConsistentRead"] for request in client.asked)


def test_keys_that_dynamodb_left_over_are_asked_for_again() -> None:
    left = {"people": {"Keys": [{"person_id": {"S": "grace"}}]}}
    client = Scripted(
        {"Responses": {"people": [ROW]}, "UnprocessedKeys": left},
        {"Responses": {"people": [{**ROW, "person_id": {"S": "grace"}}]}},
    )
    slept: list[float] = []

    people = PeopleTable(client, NAMES, sleep=slept.append).people(["ada", "grace"])

    assert set(people) == {"ada", "grace"}
    assert len(slept) == 1


def test_keys_that_are_always_left_over_are_given_up() -> None:
    left = {"people": {"Keys": [{"person_id": {"S": "grace"}}]}}
    client = Scripted(*[{"Responses": {}, "UnprocessedKeys": left}] * 99)

    with pytest.raises(TransportError, match="too many"):
        PeopleTable(client, NAMES, sleep=lambda _: None).people(["grace"])


def test_a_client_that_cannot_be_made_is_the_operators() -> None:
    with pytest.raises(ConfigError, match="s3"):
        aws.client(Session(region_name="eu-west-1"), "s3", "not a URL")
