"""Lists and tables of people: what a spreadsheet shows, and never runs."""

import csv
import io
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.videos.people_list import cell, write_names, write_table
from cloud.videos.tally import Seen
from sightline.messages import Person

OURS = ["first_seen", "last_seen", "frames", "best_frame", "smallest_distance"]

EVIL = [
    '=HYPERLINK("http://evil","x")',
    "+1+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "\u202e=1",
    "\ufeff=1",
    "\x00=1",
    "＝1",
    "a;=1",
    "a\n=1",
    "a\t@x",
]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)


def seen(name: str = "Ada", record: dict[str, Any] | None = None, **changes: Any) -> Seen:
    given_: dict[str, Any] = {
        "person": Person(id="ada", name=name, record=record),
        "first_ms": 500,
        "last_ms": 12_345,
        "frames": 3,
        "best_frame": 7,
        "smallest_distance": 0.41,
    }
    return Seen(**{**given_, **changes})


def rows(*people: Seen, video: str = "a") -> list[list[str]]:
    return list(csv.reader(io.StringIO(write_table(video, people).decode(), newline="")))


def test_each_field_of_any_record_is_a_column() -> None:
    table = rows(
        seen(record={"year": 1833, "major": "Maths"}),
        seen("Bob", {"room": {"floor": 2}, "tags": ["a", None]}),
    )

    row = ["0.500", "12.345", "3", "a/00007.jpg", "0.41"]
    assert table == [
        ["id", "name", "major", "room", "tags", "year", *OURS],
        ["ada", "Ada", "Maths", "", "", "1833", *row],
        ["ada", "Bob", "", '{"floor": 2}', '["a", null]', "", *row],
    ]


def test_without_people_there_is_a_heading_alone() -> None:
    assert len(rows()) == 1


def test_fields_that_are_named_as_ours_are_told_apart() -> None:
    [heading, row] = rows(seen(record={"id": 1, "record.id": 2, "frames": 3, "\u202eid": 4}))

    assert len(heading) == len(set(heading)) == 11
    said = dict(zip(heading, row, strict=True))
    assert (said["id"], said["record.frames"], said["frames"]) == ("ada", "3", "3")


@pytest.mark.parametrize("evil", EVIL)
def test_no_formula_lives_in_a_table(evil: str) -> None:
    text = write_table(evil, [seen(evil, {evil: evil, "nested": {"x": evil}})]).decode()

    for row in csv.reader(io.StringIO(text, newline="")):
        for value in row:
            assert not value.lstrip().startswith(("=", "+", "@", "＝")), value
    assert "\u202e" not in text


@pytest.mark.parametrize("value", ["a;=1", 'a;"=1', {"x": "a;=HYPERLINK(1)"}, ['b; "+1', "=1"]])
def test_no_formula_begins_where_a_semicolon_parts_cells(value: Any) -> None:
    for part in cell(value).split(";"):
        assert not part.lstrip(' "').startswith(("=", "+", "-", "@"))


@given(texts)
def test_no_cell_begins_as_a_formula_or_turns_the_text(value: str) -> None:
    written = cell(value)

    assert not written or written[0] not in "=+-@\t\r＝＋－＠"
    assert not written.strip(" \u00a0").startswith(tuple("=+-@＝＋－＠"))
    bidi = {"RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI", "PDI"}
    assert not bidi & {unicodedata.bidirectional(character) for character in written}


@given(st.dictionaries(texts, values, max_size=4), texts)
def test_any_record_makes_a_table_that_can_be_read(record: dict[str, Any], name: str) -> None:
    table = rows(seen(name, record))

    assert len(table) == 2
    assert len(table[0]) == len(table[1]) == 7 + len(record)


def test_what_is_no_formula_is_left_as_it_is() -> None:
    assert cell("Ada Lovelace-Byron; 1815") == "Ada Lovelace-Byron; 1815"
    assert cell(-5) == "-5"
    assert (cell(True), cell(None), cell(1.5)) == ("true", "", "1.5")


def test_a_name_is_one_line() -> None:
    people = [seen("Ada\nLove\u202elace\x07"), seen("李小龍")]

    assert write_names(people, has_faces=True).decode() == "Ada Lovelace\n李小龍\n"
    assert write_names([], has_faces=True) == b"unknown\n"
    assert write_names([], has_faces=False) == b""
