"""Sightings' rows in DynamoDB: what expires, what is found by whom, and who is first."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from boto3.session import Session

from cloud import aws
from cloud.sightings import Listing
from cloud.sightings_listing import SightingsListing
from cloud.sightings_table import SightingsTable
from infra.local.ministack.server import MiniStackServer
from sightline.messages import FrameRecognized
from tests.cloud.fakes import NOON
from tests.cloud.test_aws import Cancelling
from tests.cloud.test_sightings_laws import a_sighting


def test_a_sightings_rows_expire_and_are_found_by_person(
    dynamo_client: aws.Client, sightings_table: SightingsTable
) -> None:
    sightings_table.keep(a_sighting(people=2))
    table = sightings_table.name

    rows = dynamo_client.query(
        TableName=table,
        IndexName="by_person",
        KeyConditionExpression="person_id = :person",
        ExpressionAttributeValues={":person": {"S": "person-1"}},
    )["Items"]
    assert [row["seen"]["S"] for row in rows] == ["2026-11-21T12:00:00.512Z#f1#person-1"]
    everything = dynamo_client.scan(TableName=table)["Items"]
    expires = str(int((NOON + timedelta(days=90)).timestamp()))
    assert [row["expires_at"] for row in everything] == [{"N": expires}] * 4
    [frame] = [row for row in everything if "result" in row]
    assert json.loads(frame["result"]["S"])["faces"][0]["person"]["id"] == "person-0"


def test_a_range_of_time_meets_frames_and_no_guards(
    dynamo_client: aws.Client, sightings_table: SightingsTable
) -> None:
    for day in range(3):
        sightings_table.keep(a_sighting(f"f{day}", captured_at=NOON + timedelta(days=day)))

    rows = dynamo_client.query(
        TableName=sightings_table.name,
        KeyConditionExpression="device = :device AND seen BETWEEN :begin AND :end",
        ExpressionAttributeValues={
            ":device": {"S": "door"},
            ":begin": {"S": "2026-11-22"},
            ":end": {"S": "9999-12-31"},
        },
    )["Items"]

    assert [row["frame_id"]["S"] for row in rows] == ["f1", "f2"]
    assert all("result" in row for row in rows)


@pytest.mark.parametrize("guard_first", [True, False])
def test_a_frame_of_which_one_row_has_expired_can_be_kept_anew(
    dynamo_client: aws.Client, sightings_table: SightingsTable, guard_first: bool
) -> None:
    first = a_sighting()
    sightings_table.keep(first)
    seen = "frame#f1" if guard_first else first.seen
    key = {"device": {"S": "door"}, "seen": {"S": seen}}
    dynamo_client.delete_item(TableName=sightings_table.name, Key=key)
    assert sightings_table.find("door", "f1") is None

    second = a_sighting(captured_at=NOON + timedelta(days=91))

    assert sightings_table.keep(second) is None
    assert sightings_table.find("door", "f1") == second.result


def test_of_sightings_kept_at_the_same_moment_one_is_first(
    session: Session, ministack: MiniStackServer, sightings_table: SightingsTable
) -> None:
    def keep(number: int) -> FrameRecognized | None:
        client = aws.client(session, "dynamodb", ministack.url)
        table = SightingsTable(client, sightings_table.name, sleep=lambda _: None)
        return table.keep(a_sighting(captured_at=NOON + timedelta(seconds=number), people=1))

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(keep, range(8)))

    assert answers.count(None) == 1
    kept = sightings_table.find("door", "f1")
    assert [answer for answer in answers if answer] == [kept] * 7


def test_a_sighting_whose_first_try_was_lost_on_the_way_back_is_its_own(
    dynamo_client: aws.Client, sightings_table: SightingsTable
) -> None:
    class Forgetful:
        """Takes the transaction, and says that another was in the way."""

        def __init__(self) -> None:
            self.lost = False

        def transact_write_items(self, **request: Any) -> None:
            dynamo_client.transact_write_items(**request)
            if not self.lost:
                self.lost = True
                Cancelling("TransactionConflict").transact_write_items()

        get_item = staticmethod(dynamo_client.get_item)

    sighting = a_sighting(people=1)
    table = SightingsTable(Forgetful(), sightings_table.name, sleep=lambda _: None)

    assert table.keep(sighting) == sighting.result


@pytest.mark.parametrize("reason", ["TransactionConflict", "ThrottlingError"])
def test_a_sighting_that_another_write_is_in_the_way_of_is_tried_again(reason: str) -> None:
    client, slept = Cancelling(reason), list[float]()

    kept = SightingsTable(client, "sightings", sleep=slept.append).keep(a_sighting(people=1))

    assert kept is None
    assert len(slept) == 1


def test_many_are_kept_in_as_few_requests_as_hold_them(
    dynamo_client: aws.Client, sightings_table: SightingsTable
) -> None:
    class Counting:
        """Counts the items of each transaction."""

        def __init__(self) -> None:
            self.items: list[int] = []

        def transact_write_items(self, **request: Any) -> None:
            self.items.append(len(request["TransactItems"]))
            dynamo_client.transact_write_items(**request)

    client = Counting()
    table = SightingsTable(client, sightings_table.name, sleep=lambda _: None)

    table.keep_all([a_sighting(f"f{number}", people=1) for number in range(10)])
    table.keep_all([a_sighting(f"g{number}") for number in range(45)])
    table.keep_all([a_sighting(f"h{number}", people=47) for number in range(3)])

    assert client.items == [30, 40, 40, 10, 98, 49]


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize(("most_queries", "rows"), [(1, 1), (2, 3), (3, 1), (1, 100)])
def test_pages_of_a_person_at_a_device_end_before_too_many_rows_of_others_are_read(
    dynamo_client: aws.Client,
    sightings_table: SightingsTable,
    most_queries: int,
    rows: int,
    newest_first: bool,
) -> None:
    for number in range(20):
        device = "door" if number in (4, 5, 17) else "window"
        at = NOON + timedelta(seconds=number)
        sightings_table.keep(a_sighting(f"f{number}", device=device, captured_at=at, people=1))
    table = SightingsListing(
        client=dynamo_client, table=sightings_table.name, most_queries=most_queries, rows=rows
    )
    wanted = Listing(device="door", person="person-0", newest_first=newest_first)

    found, pages, cursor = list[str](), 0, None
    while pages == 0 or cursor is not None:
        assert pages <= 20
        page = table.page(wanted, limit=2, cursor=cursor)
        assert len(page.results) <= 2
        found += [result.frame_id for result in page.results]
        pages, cursor = pages + 1, page.cursor

    assert found == (["f17", "f5", "f4"] if newest_first else ["f4", "f5", "f17"])
    assert pages >= 20 / (most_queries * rows)
