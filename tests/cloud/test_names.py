"""Names of scripts that are written with joiners, which cannot be seen themselves."""

import csv
import io
import json

import pytest

from cloud.memory import MemoryRegister
from cloud.names import likeness, tidy
from cloud.people import People
from cloud.records import read_records
from cloud.register import EnrolledPerson, check_name
from cloud.videos.people_list import write_names, write_table
from cloud.videos.tally import Seen
from sightline.errors import ConfigError
from sightline.messages import Person
from tests.cloud.fakes import Clock

ALI_REZA = "علی\u200cرضا"  # in Persian the two are parted so
JOINED = [ALI_REZA, "ක්\u200dරිස්ටි", "शर्\u200dमा", f"{ALI_REZA} Lovelace"]


@pytest.fixture
def people() -> People:
    return People(MemoryRegister(), now=Clock().now)


def seen(person: EnrolledPerson) -> Seen:
    return Seen(
        person=Person(id=person.id, name=person.name, record=None),
        first_ms=0,
        last_ms=0,
        frames=1,
        best_frame=1,
        smallest_distance=0.3,
    )


@pytest.mark.parametrize("name", JOINED)
def test_a_name_may_have_joiners_between_letters(name: str, people: People) -> None:
    added = people.add(name).person
    assert added is not None

    assert added.name == tidy(name)
    assert {"\u200c", "\u200d"} & set(added.name)
    text = write_names([seen(added)], has_faces=True).decode()
    assert text == f"{added.name}\n"
    [_, row] = csv.reader(io.StringIO(write_table("a", [seen(added)]).decode()))
    assert row[1] == added.name


@pytest.mark.parametrize(
    "name",
    [
        "\u200cعلی",
        "علی\u200c",
        "علی\u200c\u200cرضا",
        "علی\u200d\u200cرضا",
        "علی\u200c رضا",
        "علی\u200c-رضا",
        "A\u200cda",
        "علیa\u200cرضا",
        "علی\u200caرضا",
        "1\u200d2",
        "👩\u200d🔬",
        "علی\u200bرضا",
        "علی\u200fرضا",
        "علی\u202eرضا",
        "علی\u2066رضا",
        "\u200c",
    ],
)
def test_joiners_anywhere_else_and_what_turns_the_line_are_no_names(name: str) -> None:
    with pytest.raises(ConfigError, match="is no name"):
        check_name(name)


def test_names_that_differ_by_joiners_alone_are_alike(
    people: People,
) -> None:
    plain = ALI_REZA.replace("\u200c", "")
    people.add(ALI_REZA)

    assert likeness(ALI_REZA) == likeness(plain) == likeness(ALI_REZA.replace("\u200c", "\u200d"))
    [found] = people.find(plain)
    assert found.name == ALI_REZA


def test_student_data_with_a_joined_name_is_read() -> None:
    [read] = read_records(json.dumps([{"name": ALI_REZA, "year": 1}])).records

    assert read.name == ALI_REZA


def test_student_data_in_which_names_differ_by_joiners_alone_is_refused() -> None:
    both = [{"name": ALI_REZA}, {"name": ALI_REZA.replace("\u200c", "")}]

    with pytest.raises(ConfigError, match="names alone do not tell all apart"):
        read_records(json.dumps(both))
