"""What holds of all keys' stores, in the process and in DynamoDB; and what operators do there."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from cloud import aws
from cloud.http.keys import KeyStore, issue, parse
from cloud.http.keys_table import KeysTable
from cloud.http.memory import MemoryKeys
from sightline.errors import ConfigError
from tests.cloud.conftest import _make_table
from tests.cloud.fakes import NOON

WHO = "reader-of-the-tests"


@pytest.fixture
def table(dynamo_client: aws.Client) -> KeysTable:
    return KeysTable(dynamo_client, _make_table(dynamo_client, "KeysTable"))


@pytest.fixture(params=["memory", "dynamo"])
def store(request: pytest.FixtureRequest) -> Any:
    return MemoryKeys() if request.param == "memory" else request.getfixturevalue("table")


def test_a_key_is_found_as_it_was_added(store: Any) -> None:
    key, text = issue(WHO, ["read", "enrol"], now=NOON, valid_until=NOON + timedelta(days=1))
    store.add(key)

    found = store.find(key.id)
    assert found == key
    presented = parse(text)
    assert presented is not None
    assert found.digest == presented.digest


def test_nobody_has_an_id_that_was_never_given(store: KeyStore) -> None:
    assert store.find("aaaaaaaaaaaa") is None


def test_so_many_are_taken_in_one_minute_and_again_in_the_next(store: KeyStore) -> None:
    what = str(uuid4())
    assert [store.take(what, most=2, now=NOON) for _ in range(3)] == [True, True, False]
    assert store.take("another", most=2, now=NOON)
    assert store.take(what, most=2, now=NOON + timedelta(minutes=1))
    assert not store.take(what, most=2, now=NOON + timedelta(seconds=30))


def test_of_many_at_once_no_more_are_taken_than_may_be(store: KeyStore) -> None:
    what = str(uuid4())
    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(lambda _: store.take(what, most=5, now=NOON), range(20)))

    assert taken.count(True) == 5


def test_a_count_is_no_key(store: KeyStore) -> None:
    store.take("x", most=2, now=NOON)
    minute = int(NOON.timestamp()) // 60

    assert store.find(f"rate#{minute}#x") is None


def test_operators_see_keys_the_oldest_first_and_no_counts(table: KeysTable) -> None:
    later, _ = issue("later", ["read"], now=NOON + timedelta(days=1))
    sooner, _ = issue("sooner", ["read"], now=NOON)
    table.add(later)
    table.add(sooner)
    table.take(sooner.id, most=2, now=NOON)

    assert table.all() == [sooner, later]


def test_a_revoked_key_stays_with_the_time_when_it_was_revoked_first(table: KeysTable) -> None:
    key, _ = issue(WHO, ["read"], now=NOON)
    table.add(key)

    revoked = table.revoke(key.id, NOON + timedelta(hours=1))
    again = table.revoke(key.id, NOON + timedelta(hours=2))

    assert revoked.revoked_at == again.revoked_at == NOON + timedelta(hours=1)
    assert table.find(key.id) == revoked


def test_what_is_no_key_cannot_be_revoked(table: KeysTable) -> None:
    table.take("x", most=2, now=NOON)
    minute = int(NOON.timestamp()) // 60

    for no_key in ("aaaaaaaaaaaa", f"rate#{minute}#x"):
        with pytest.raises(ConfigError, match="keys list"):
            table.revoke(no_key, NOON)


def test_a_row_holds_no_secret(table: KeysTable, dynamo_client: aws.Client) -> None:
    key, text = issue(WHO, ["read"], now=NOON)
    table.add(key)

    rows = dynamo_client.scan(TableName=table.name)["Items"]

    assert text.split("_", 2)[2] not in repr(rows)
