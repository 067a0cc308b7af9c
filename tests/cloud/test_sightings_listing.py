"""What holds of every list of sightings: by device, by person, page by page."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

import pytest

from cloud.memory import MemorySightings
from cloud.sightings import Page, Sightings, SightingsReader
from sightline.errors import MessageError
from tests.cloud.fakes import NOON
from tests.cloud.test_sightings_laws import a_sighting


class Kept(Sightings, SightingsReader, Protocol):
    """Both sides of one store."""


@pytest.fixture(params=["memory", "dynamo"])
def kept(request: pytest.FixtureRequest) -> Kept:
    if request.param == "memory":
        return MemorySightings()
    table: Kept = request.getfixturevalue("sightings_table")
    return table


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def keep(kept: Kept, *seconds: float, device: str = "door", people: int = 1) -> None:
    for second in seconds:
        frame_id = f"{device}-{second:09.4f}"
        kept.keep(a_sighting(frame_id, device=device, captured_at=at(second), people=people))


def seconds(page: Page) -> list[float]:
    return [(result.captured_at - NOON).total_seconds() for result in page.results]


def all_pages(read: Callable[..., Page], of: str, **given: Any) -> list[list[float]]:
    pages, cursor = [], None
    while True:
        page = read(of, cursor=cursor, **given)
        pages.append(seconds(page))
        cursor = page.cursor
        if cursor is None:
            return pages


def test_a_device_that_saw_nothing_has_one_empty_page(kept: Kept) -> None:
    keep(kept, 1, device="window")

    assert kept.of_device("door") == Page(results=(), cursor=None)
    assert kept.of_person("nobody") == Page(results=(), cursor=None)


def test_the_newest_are_first_unless_asked_otherwise(kept: Kept) -> None:
    keep(kept, 3, 1, 2)

    for read, of in [(kept.of_device, "door"), (kept.of_person, "person-0")]:
        assert seconds(read(of)) == [3, 2, 1]
        assert seconds(read(of, newest_first=False)) == [1, 2, 3]


def test_what_is_listed_is_what_was_kept(kept: Kept) -> None:
    sighting = a_sighting(people=3)
    kept.keep(sighting)

    assert kept.of_device("door").results == (sighting.result,)
    assert kept.of_person("person-2").results == (sighting.result,)


@pytest.mark.parametrize("people", [0, 1, 5])
@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_pages_hold_all_of_a_device_each_once(
    kept: Kept, limit: int, newest_first: bool, people: int
) -> None:
    keep(kept, *range(7), people=people)
    keep(kept, 3.5, device="window", people=people)

    pages = all_pages(kept.of_device, "door", limit=limit, newest_first=newest_first)

    expected = sorted(range(7), reverse=newest_first)
    assert [second for page in pages for second in page] == expected
    assert all(len(page) == limit for page in pages[:-1])
    assert 0 < len(pages[-1]) <= limit


@pytest.mark.parametrize("newest_first", [True, False])
def test_pages_hold_all_of_a_person_on_every_device(kept: Kept, newest_first: bool) -> None:
    keep(kept, 0, 2, 4, people=2)
    keep(kept, 1, 3, device="window", people=3)
    keep(kept, 5, people=0)

    pages = all_pages(kept.of_person, "person-1", limit=2, newest_first=newest_first)

    assert pages == ([[4, 3], [2, 1], [0]] if newest_first else [[0, 1], [2, 3], [4]])


def test_the_first_time_counts_in_and_the_last_does_not(kept: Kept) -> None:
    keep(kept, 0, 0.001, 0.0015, 0.002, 0.9, 1, 2)

    for read, of in [(kept.of_device, "door"), (kept.of_person, "person-0")]:
        given = {"newest_first": False}
        assert sorted(seconds(read(of, since=at(0.001), until=at(1), **given))) == [
            0.001,
            0.0015,
            0.002,
            0.9,
        ]
        assert seconds(read(of, since=at(2), **given)) == [2]
        assert seconds(read(of, until=at(0), **given)) == []
        assert seconds(read(of, since=at(1), until=at(1), **given)) == []
        assert seconds(read(of, since=at(2), until=at(0), **given)) == []


def test_times_in_another_zone_are_the_same_times(kept: Kept) -> None:
    keep(kept, 0, 1)
    since = datetime.fromisoformat("2026-11-21T14:00:01.512+02:00")

    assert seconds(kept.of_device("door", since=since)) == [1]


@pytest.mark.parametrize(
    "cursor", ["", "x", "bnVsbA", "W10", "ä", "=" * 9, "W1tbW1tb", "eyJhIjoxfQ", "IjEi" * 1000]
)
def test_a_wrong_cursor_is_refused(kept: Kept, cursor: str) -> None:
    keep(kept, 1, 2)

    for read, of in [(kept.of_device, "door"), (kept.of_person, "person-0")]:
        with pytest.raises(MessageError, match="cursor"):
            read(of, cursor=cursor)


def test_a_cursor_of_another_list_is_refused(kept: Kept) -> None:
    keep(kept, 1, 2)
    cursor = kept.of_device("door", limit=1).cursor

    for wrong in [
        lambda: kept.of_device("window", cursor=cursor),
        lambda: kept.of_device("door", cursor=cursor, newest_first=False),
        lambda: kept.of_person("door", cursor=cursor),
        lambda: kept.of_device("door", cursor=cursor, since=at(500)),
        lambda: kept.of_device("door", cursor=cursor, until=at(-500)),
    ]:
        with pytest.raises(MessageError, match="cursor"):
            wrong()


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_has_1_to_1000(kept: Kept, limit: int) -> None:
    with pytest.raises(MessageError, match="limit"):
        kept.of_device("door", limit=limit)


def test_a_crowd_on_every_frame_does_not_shorten_a_page(kept: Kept) -> None:
    keep(kept, *range(5), people=40)

    assert all_pages(kept.of_device, "door", limit=3) == [[4, 3, 2], [1, 0]]


def test_more_than_dynamodb_gets_at_once_are_listed(kept: Kept) -> None:
    keep(kept, *range(130))

    assert len(kept.of_person("person-0", limit=120).results) == 120
