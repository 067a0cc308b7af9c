"""What holds of every list of sightings: by device, by person, page by page."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import pytest

from cloud.memory import MemorySightings
from cloud.sightings import Listing, Page, Sightings, SightingsReader
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


def all_pages(reader: SightingsReader, wanted: Listing, *, limit: int) -> list[list[float]]:
    pages, cursor = [], None
    while True:
        page = reader.page(wanted, limit=limit, cursor=cursor)
        pages.append(seconds(page))
        cursor = page.cursor
        if cursor is None:
            return pages


DOOR = Listing(device="door")
SOMEBODY = Listing(person="person-0")
AT_THE_DOOR = Listing(device="door", person="person-0")
LISTS = [DOOR, SOMEBODY, AT_THE_DOOR]


def test_a_device_that_saw_nothing_has_one_empty_page(kept: Kept) -> None:
    keep(kept, 1, device="window")

    for wanted in LISTS[::2]:
        assert kept.page(wanted) == Page(results=(), cursor=None)
    assert kept.page(Listing(person="nobody")) == Page(results=(), cursor=None)


def test_a_list_is_of_a_device_or_of_a_person() -> None:
    with pytest.raises(MessageError, match="give a device, a person, or both"):
        Listing(since=NOON)


def test_the_newest_are_first_unless_asked_otherwise(kept: Kept) -> None:
    keep(kept, 3, 1, 2)

    for wanted in LISTS:
        assert seconds(kept.page(wanted)) == [3, 2, 1]
        assert seconds(kept.page(replace(wanted, newest_first=False))) == [1, 2, 3]


def test_what_is_listed_is_what_was_kept(kept: Kept) -> None:
    sighting = a_sighting(people=3)
    kept.keep(sighting)

    assert kept.page(DOOR).results == (sighting.result,)
    assert kept.page(Listing(person="person-2")).results == (sighting.result,)
    assert kept.page(Listing(device="door", person="person-2")).results == (sighting.result,)


@pytest.mark.parametrize("people", [0, 1, 5])
@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_pages_hold_all_of_a_device_each_once(
    kept: Kept, limit: int, newest_first: bool, people: int
) -> None:
    keep(kept, *range(7), people=people)
    keep(kept, 3.5, device="window", people=people)

    pages = all_pages(kept, replace(DOOR, newest_first=newest_first), limit=limit)

    expected = sorted(range(7), reverse=newest_first)
    assert [second for page in pages for second in page] == expected
    assert all(len(page) == limit for page in pages[:-1])
    assert 0 < len(pages[-1]) <= limit


@pytest.mark.parametrize("newest_first", [True, False])
def test_pages_hold_all_of_a_person_on_every_device(kept: Kept, newest_first: bool) -> None:
    keep(kept, 0, 2, 4, people=2)
    keep(kept, 1, 3, device="window", people=3)
    keep(kept, 5, people=0)

    wanted = Listing(person="person-1", newest_first=newest_first)
    pages = all_pages(kept, wanted, limit=2)

    assert pages == ([[4, 3], [2, 1], [0]] if newest_first else [[0, 1], [2, 3], [4]])


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_hold_all_of_a_person_at_a_device_each_once(
    kept: Kept, limit: int, newest_first: bool
) -> None:
    keep(kept, 0, 2, 4, 6, 8, people=2)
    keep(kept, 1, 3, 5, 9, device="window", people=2)
    keep(kept, 7, people=1)

    wanted = Listing(device="door", person="person-1", newest_first=newest_first)
    pages = all_pages(kept, wanted, limit=limit)

    expected = [8, 6, 4, 2, 0] if newest_first else [0, 2, 4, 6, 8]
    assert [second for page in pages for second in page] == expected
    assert all(len(page) <= limit for page in pages)


def test_the_first_time_counts_in_and_the_last_does_not(kept: Kept) -> None:
    keep(kept, 0, 0.001, 0.0015, 0.002, 0.9, 1, 2)

    def read(wanted: Listing, since: datetime | None, until: datetime | None) -> list[float]:
        return sorted(seconds(kept.page(replace(wanted, since=since, until=until))))

    for wanted in LISTS:
        assert read(wanted, at(0.001), at(1)) == [0.001, 0.0015, 0.002, 0.9]
        assert read(wanted, at(2), None) == [2]
        assert read(wanted, None, at(0)) == []
        assert read(wanted, at(1), at(1)) == []
        assert read(wanted, at(2), at(0)) == []


def test_times_in_another_zone_are_the_same_times(kept: Kept) -> None:
    keep(kept, 0, 1)
    since = datetime.fromisoformat("2026-11-21T14:00:01.512+02:00")

    assert seconds(kept.page(Listing(device="door", since=since))) == [1]


@pytest.mark.parametrize(
    "cursor", ["", "x", "bnVsbA", "W10", "ä", "=" * 9, "W1tbW1tb", "eyJhIjoxfQ", "IjEi" * 1000]
)
def test_a_wrong_cursor_is_refused(kept: Kept, cursor: str) -> None:
    keep(kept, 1, 2)

    for wanted in LISTS:
        with pytest.raises(MessageError, match="cursor"):
            kept.page(wanted, cursor=cursor)


def test_a_cursor_of_another_list_is_refused(kept: Kept) -> None:
    keep(kept, 1, 2)
    for wanted in LISTS:
        cursor = kept.page(wanted, limit=1).cursor
        assert cursor
        others = [
            *(other for other in LISTS if other != wanted),
            replace(wanted, device="window"),
            replace(wanted, person="person-1"),
            replace(wanted, newest_first=False),
            replace(wanted, since=at(500)),
            replace(wanted, until=at(-500)),
        ]
        for other in others:
            with pytest.raises(MessageError, match="cursor"):
                kept.page(other, cursor=cursor)


@pytest.mark.parametrize("place", [["7\ud800", "door"], ["7" * 1025, "door"], ["7", ""], ["7", 1]])
def test_a_cursor_that_no_key_can_be_is_refused(kept: Kept, place: list[Any]) -> None:
    with pytest.raises(MessageError, match="cursor"):
        kept.page(SOMEBODY, cursor=SOMEBODY.cursor(*place))


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_has_1_to_1000(kept: Kept, limit: int) -> None:
    with pytest.raises(MessageError, match="limit"):
        kept.page(DOOR, limit=limit)


def test_a_crowd_on_every_frame_does_not_shorten_a_page(kept: Kept) -> None:
    keep(kept, *range(5), people=40)

    assert all_pages(kept, DOOR, limit=3) == [[4, 3, 2], [1, 0]]


def test_more_than_dynamodb_gets_at_once_are_listed(kept: Kept) -> None:
    keep(kept, *range(130))

    assert len(kept.page(SOMEBODY, limit=120).results) == 120
    assert len(kept.page(AT_THE_DOOR, limit=120).results) == 120
