"""What holds of every store of sightings."""

from datetime import datetime, timedelta

import pytest

from cloud.memory import MemorySightings
from cloud.sightings import Sighting, Sightings
from sightline.messages import Face, FrameRecognized, Person
from tests.cloud.fakes import NOON


@pytest.fixture(params=["memory", "dynamo"])
def sightings(request: pytest.FixtureRequest) -> Sightings:
    if request.param == "memory":
        return MemorySightings()
    table: Sightings = request.getfixturevalue("sightings_table")
    return table


def known(person_id: str) -> Face:
    return Face(
        box=(1, 2, 30, 40),
        detection=0.99,
        decision="known",
        person=Person(id=person_id, name="Åda", record={"year": 1833}),
        distance=0.41,
        margin=None,
        threshold=0.55,
    )


def a_sighting(
    frame_id: str = "f1",
    *,
    device: str = "door",
    captured_at: datetime = NOON,
    people: int = 0,
    gallery: int = 7,
) -> Sighting:
    result = FrameRecognized(
        frame_id=frame_id,
        device=device,
        captured_at=captured_at,
        recognized_at=NOON,
        width=64,
        height=48,
        faces=tuple(known(f"person-{i}") for i in range(people)),
        engine="fake@1",
        gallery=gallery,
        repeat=False,
        timings_ms={"detect": 3.1},
    )
    return Sighting(result=result, expires_at=NOON + timedelta(days=90))


@pytest.mark.parametrize("people", [0, 1, 3])
def test_what_is_kept_is_found(sightings: Sightings, people: int) -> None:
    sighting = a_sighting(people=people)

    assert sightings.keep(sighting) is None
    assert sightings.find("door", "f1") == sighting.result


def test_two_devices_with_the_same_frame_id_do_not_meet(sightings: Sightings) -> None:
    door, window = a_sighting(people=2), a_sighting(device="window", gallery=8)

    assert sightings.keep(door) is None
    assert sightings.keep(window) is None

    assert sightings.find("door", "f1") == door.result
    assert sightings.find("window", "f1") == window.result


def test_nothing_is_found_of_another_device_or_frame(sightings: Sightings) -> None:
    sightings.keep(a_sighting())

    assert sightings.find("window", "f1") is None
    assert sightings.find("door", "f2") is None


@pytest.mark.parametrize("people", [0, 2])
@pytest.mark.parametrize("later_s", [-3600, 0.001, 86400])
def test_a_frame_with_another_time_is_still_the_same(
    sightings: Sightings, people: int, later_s: float
) -> None:
    first = a_sighting(people=people)
    sightings.keep(first)

    other = a_sighting(captured_at=NOON + timedelta(seconds=later_s), people=people, gallery=9)

    assert sightings.keep(other) == first.result
    assert sightings.find("door", "f1") == first.result


def test_a_crowd_with_another_time_is_still_the_same(sightings: Sightings) -> None:
    first = a_sighting(people=98)  # with the frame's own two rows, as large as a transaction can be
    sightings.keep(first)

    other = a_sighting(captured_at=NOON + timedelta(seconds=1), people=98)

    assert sightings.keep(other) == first.result


@pytest.mark.parametrize("people", [0, 2])
def test_the_first_answer_stays(sightings: Sightings, people: int) -> None:
    first = a_sighting(people=people)
    sightings.keep(first)

    assert sightings.keep(a_sighting(people=people, gallery=9)) == first.result
    assert sightings.find("door", "f1") == first.result


def test_a_crowd_larger_than_one_transaction_is_kept(sightings: Sightings) -> None:
    crowd = a_sighting(people=230)

    assert sightings.keep(crowd) is None
    assert sightings.keep(crowd) == crowd.result
    assert sightings.find("door", "f1") == crowd.result


def test_all_are_kept_whatever_there_is_already(sightings: Sightings) -> None:
    sightings.keep(a_sighting("f2", gallery=1))
    some = [a_sighting(f"f{number}", people=number % 3) for number in range(5)]

    answers = sightings.keep_all(some)

    assert answers == [None, None, a_sighting("f2", gallery=1).result, None, None]
    assert [sightings.find("door", f"f{number}") for number in range(5)] == [
        answer or sighting.result for answer, sighting in zip(answers, some, strict=True)
    ]
    assert sightings.keep_all(some[3:]) == [sighting.result for sighting in some[3:]]


def test_of_two_of_the_same_frame_the_first_is_kept(sightings: Sightings) -> None:
    some = [a_sighting("f1"), a_sighting("f1", gallery=8), a_sighting("f2")]

    assert sightings.keep_all(some) == [None, some[0].result, None]


def test_more_than_one_transaction_holds_are_kept(sightings: Sightings) -> None:
    people = (0, 60, 38, 39, 0, 98, 99, 230, *[0] * 50)
    some = [a_sighting(f"f{number}", people=count) for number, count in enumerate(people)]

    assert sightings.keep_all(some) == [None] * len(some)
    assert sightings.keep_all(some) == [sighting.result for sighting in some]


def test_of_none_there_is_nothing_to_keep(sightings: Sightings) -> None:
    assert sightings.keep_all([]) == []
