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
