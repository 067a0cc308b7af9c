"""Tables of records, in the shapes that people have them in."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.records import NamedRecord, read_record, read_records
from sightline.errors import ConfigError


def read(value: object) -> tuple[str, list[NamedRecord]]:
    records = read_records(json.dumps(value))
    return records.identified_by, list(records.records)


def test_a_list_with_names_is_told_apart_by_them() -> None:
    field, records = read(
        [
            {"id": 1, "name": "mr_bean", "major": "physics", "year": "freshman"},
            {"id": 2, "name": "Ada Lovelace", "major": "math", "year": "senior"},
        ]
    )

    assert field == "the field 'name'"
    assert records[0] == NamedRecord(
        person_id=None,
        name="mr_bean",
        record={"id": 1, "major": "physics", "year": "freshman"},
    )


def test_namesakes_are_told_apart_by_their_ids() -> None:
    field, records = read(
        [{"id": "A 1", "name": "Ada", "year": 1}, {"id": "A 2", "name": "ada", "year": 2}]
    )

    assert field == "the field 'id'"
    assert [(r.person_id, r.name) for r in records] == [("a-1", "Ada"), ("a-2", "ada")]
    assert records[0].record == {"id": "A 1", "year": 1}


def test_a_list_with_ids_alone_is_taken() -> None:
    field, [record] = read([{"student_id": 1001, "major": "math"}])

    assert field == "the field 'student_id'"
    assert record == NamedRecord(person_id="1001", name="1001", record={"major": "math"})


def test_a_mapping_is_told_apart_by_its_keys() -> None:
    field, records = read(
        {"ada-lovelace": {"name": "Ada Lovelace", "major": "math"}, "mr_bean": {"year": 1}}
    )

    assert field == "the mapping's keys"
    assert records == [
        NamedRecord(person_id="ada-lovelace", name="Ada Lovelace", record={"major": "math"}),
        NamedRecord(person_id="mr-bean", name="mr_bean", record={"year": 1}),
    ]


ADA = NamedRecord(person_id=None, name="Ada", record={"id": 1, "major": "math", "year": 1833})
ALAN = NamedRecord(person_id=None, name="Alan", record={"id": 2, "major": "logic", "gpa": 3.9})
PLAIN = [
    {"id": 1, "name": "Ada", "major": "math", "year": 1833},
    {"id": 2, "name": "Alan", "major": "logic", "gpa": 3.9},
]
TYPED = [
    {"id": {"N": "1"}, "name": {"S": "Ada"}, "major": {"S": "math"}, "year": {"N": "1833"}},
    {"id": {"N": "2"}, "name": {"S": "Alan"}, "major": {"S": "logic"}, "gpa": {"N": "3.9"}},
]
SHAPES = {
    "a list": json.dumps(PLAIN),
    "a list in an object": json.dumps({"students": PLAIN}),
    "with its count": json.dumps({"count": 2, "students": PLAIN, "next": None}),
    "DynamoDB's types": json.dumps(TYPED),
    "a scan's answer": json.dumps({"Items": TYPED, "Count": 2, "ConsumedCapacity": None}),
    "a scan's answer, as boto3's Table gives it": json.dumps({"Items": PLAIN, "Count": 2}),
    "a batch to write": json.dumps(
        {"student-data": [{"PutRequest": {"Item": item}} for item in TYPED]}
    ),
    "an export to S3": "\n".join(json.dumps({"Item": item}) for item in TYPED),
    "JSON a line": "\n".join(map(json.dumps, PLAIN)) + "\n\n",
    "with a byte order mark": "\ufeff" + "\n".join(map(json.dumps, PLAIN)),
}


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES)
def test_the_same_people_are_read_from_every_shape(text: str) -> None:
    records = read_records(text)

    assert records.identified_by == "the field 'name'"
    assert list(records.records) == [ADA, ALAN]
    assert read_records(text.encode()) == records


def test_one_item_and_one_record_are_one_person() -> None:
    for value in (TYPED[0], {"Item": TYPED[0]}, PLAIN[0]):
        field, [record] = read(value)
        assert (field, record) == ("the field 'name'", ADA)


def test_a_mapping_may_stand_within_an_object_and_hold_dynamodbs_types() -> None:
    people = {"17": {"name": "Ada", "year": 1}, "18": {"name": "Alan", "year": 2}}
    typed = {"17": {"name": {"S": "Ada"}, "year": {"N": "1"}}}

    field, records = read({"Students": people})
    assert field == "the mapping's keys"
    assert records == read(people)[1]
    assert read(typed)[1] == read({"17": people["17"]})[1]


def test_an_object_in_an_object_that_names_nobody_is_a_record_of_one() -> None:
    _, [record] = read({"ada": {"grades": {"algebra": 1}}})

    assert record == NamedRecord(person_id="ada", name="ada", record={"grades": {"algebra": 1}})


def test_every_type_of_dynamodbs_becomes_plain() -> None:
    item = {
        "name": {"S": "Ada"},
        "whole": {"N": "12345678901234567890"},
        "part": {"N": "-1.5E2"},
        "yes": {"BOOL": True},
        "none": {"NULL": True},
        "list": {"L": [{"S": "a"}, {"N": "1"}, {"L": []}]},
        "map": {"M": {"room": {"N": "12"}}},
        "texts": {"SS": ["a", "b"]},
        "numbers": {"NS": ["1", "2.5"]},
    }

    [record] = read([item])[1]

    assert record.record == {
        "whole": 12345678901234567890,
        "part": -150.0,
        "yes": True,
        "none": None,
        "list": ["a", 1, []],
        "map": {"room": 12},
        "texts": ["a", "b"],
        "numbers": [1, 2.5],
    }


def test_a_record_that_only_looks_typed_stays_as_it_is() -> None:
    """One letter is no rare field's name; every field of every record would have to be so."""
    _, records = read(
        [{"name": "Ada", "grades": {"S": "A"}}, {"name": "Alan", "grades": {"S": "B"}}]
    )

    assert [record.record for record in records] == [{"grades": {"S": "A"}}, {"grades": {"S": "B"}}]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_csv_has_texts_and_leaves_out_what_is_empty(delimiter: str, end: str) -> None:
    rows = [
        ["Student ID", "Full Name", "major", ""],
        ["17", '"Lovelace, Ada"' if delimiter == "," else "Lovelace, Ada", "math", ""],
        ["18", "Alan Turing"],
        ["", "", "", ""],
        ["19", "Grace Hopper", " =HYPERLINK(1) ", "loose"],
    ]
    text = end.join(delimiter.join(row) for row in rows)

    records = read_records("\ufeff" + text)

    assert records.identified_by == "the field 'Full Name'"
    assert [(r.name, r.record) for r in records.records] == [
        ("Lovelace, Ada", {"Student ID": "17", "major": "math"}),
        ("Alan Turing", {"Student ID": "18"}),
        ("Grace Hopper", {"Student ID": "19", "major": "=HYPERLINK(1)"}),
    ]


def test_a_csv_may_have_one_column() -> None:
    assert [record.name for record in read_records("name\nAda\nAlan\n").records] == ["Ada", "Alan"]


def test_field_names_are_known_however_they_are_spelled() -> None:
    for field in ("name", "Name", "NAME", "full_name", "Full Name", "fullName", "student-name"):
        assert read([{field: "Ada"}]) == (
            f"the field {field!r}",
            [NamedRecord(person_id=None, name="Ada", record={})],
        )
    for field in ("id", "ID", "studentId", "Student ID", "person_id"):
        assert read([{field: 7}])[1] == [NamedRecord(person_id="7", name="7", record={})]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name,name\nAda,Alan", "two columns of one name"),
        ("name,major\nAda,math,more", "row 2 of the CSV has 3 cells, its head 2"),
        ('name,major\n"Ada,math', "the CSV is damaged"),
        ("name,major\n", "no records"),
        ("major,year\nmath,1", "not JSON"),
        ("{}\n[]", "not JSON"),
        ("{}\n7", "not JSON"),
        (json.dumps({"Items": TYPED, "LastEvaluatedKey": {"id": {"N": "2"}}}), "one page"),
        (json.dumps([{"name": {"S": 7}}]), "not as DynamoDB writes"),
        (json.dumps([{"name": {"S": "Ada"}, "n": {"N": "seven"}}]), "'seven' is no number"),
        (json.dumps([{"name": {"S": "Ada"}, "n": {"N": "7" * 41}}]), "more digits than DynamoDB"),
        (json.dumps({"a": PLAIN, "b": PLAIN}), "'a' is not a JSON object"),
        (json.dumps({"students": []}), "'students' is not a JSON object"),
        (
            '[{"name": {"S": "Ada"}, "x": ' + '{"L": [' * 400 + "]}" * 400 + "}]",
            "nested (too deep|deeper than 16)",
        ),
    ],
)
def test_what_is_not_to_be_read_is_said(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        read_records(text)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ([{"name": "Ada"}, "text"], "record 1"),
        ([{"name": "Ada"}, {"major": "math"}], "record 0"),
        ([{"name": "Ada"}, {"name": "ADA"}], "record 0"),
        ([{"id": 1}, {"id": "1"}], "'record 0' and 'record 1'"),
        ([{"id": "???"}], "record 0"),
        ([{"name": "Ada", "text": "x" * 5000}], "record 0"),
        ({"ada": [1]}, "'ada'"),
        ({"Ada": {}, "ada": {}}, "'Ada' and 'ada'"),
        ({"李": {}}, "李"),
        (12, "neither"),
        ("text", "neither"),
    ],
)
def test_what_cannot_be_taken_names_the_place(value: object, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        read(value)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, b"\xff\xfe\x00"])
def test_what_is_no_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(ConfigError, match="not JSON"):
        read_records(text)


def test_one_record_is_read_as_typed() -> None:
    assert read_record('{"rank": "Rear Admiral"}') == {"rank": "Rear Admiral"}


@pytest.mark.parametrize("text", ["rank=admiral", "{'rank': 1}", "", "[1]", '"text"', "[" * 99999])
def test_a_typed_record_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="record"):
        read_record(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["id", "name", "x", ""]), inner, max_size=3)
        ),
        max_leaves=10,
    )
)
def test_no_json_causes_an_error_but_ours(value: object) -> None:
    with suppress(ConfigError):
        read(value)


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_no_text_causes_an_error_but_ours(text: str | bytes) -> None:
    with suppress(ConfigError):
        read_records(text)


@given(
    st.lists(st.sampled_from(["name", "id", ",", ";", "\n", '"', "{}", "[", "Ada", "\x00", "\r"]))
)
def test_no_table_causes_an_error_but_ours(parts: list[str]) -> None:
    with suppress(ConfigError):
        read_records("".join(parts))
