"""JSON that we only pass on, or refuse: however deep it is, whoever reads it gets our own error."""

from collections.abc import Mapping

import pytest

from sightline.errors import MessageError
from sightline.wire import MAX_DEPTH, Json, load


def nested(levels: int, *, by: str) -> Json:
    """Make lists or objects, one in the other, without the reader of JSON and its own limit."""
    value: Json = 1
    for _ in range(levels):
        value = [value] if by == "lists" else {"a": value}
    return value


@pytest.mark.parametrize("by", ["lists", "objects"])
def test_what_is_passed_on_may_be_nested_to_the_limit_and_no_deeper(by: str) -> None:
    record = {"room": nested(MAX_DEPTH, by=by)}
    assert load(dict[str, Json], record, "record") == record

    for levels in (MAX_DEPTH + 1, 600, 10_000):
        with pytest.raises(MessageError, match=r"^record\.room.*: it is nested deeper than 64"):
            load(dict[str, Json], {"room": nested(levels, by=by)}, "record")


@pytest.mark.parametrize("kind", [str, int, bool, tuple[str, ...]])
def test_what_is_too_deep_to_be_shown_is_refused_all_the_same(kind: type[object]) -> None:
    value = nested(10_000, by="objects")

    with pytest.raises(MessageError, match=r"^name: expected .+, got something nested too deeply$"):
        load(kind, value, "name")


def test_an_error_does_not_repeat_names_of_any_length() -> None:
    record = {"a" * 5000: {"b" * 5000: "\ud800"}}

    with pytest.raises(MessageError, match=r"^record\.a+: expected a text in Unicode") as raised:
        load(Mapping[str, Json], record, "record")
    assert len(str(raised.value)) < 300
