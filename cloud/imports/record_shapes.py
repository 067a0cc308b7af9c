"""The shapes that tables of people come in, brought to one: JSON objects, listed or by id.

Beside plain JSON: what DynamoDB's tools write and take, JSON a line, and CSV. Taken is only what
can be meant in one way.
"""

import csv
import io
import json
import re
from collections.abc import Sequence

from sightline.errors import ConfigError
from sightline.wire import Json

NAME_FIELDS = ("name", "fullname", "studentname")  # folded, the best first
ID_FIELDS = ("id", "personid", "studentid")
_DELIMITERS = ",;\t"
_TYPES = frozenset(("S", "N", "BOOL", "NULL", "M", "L", "SS", "NS"))  # of DynamoDB's attributes
_MAX_NUMBER = 40  # characters of a whole one; DynamoDB's have 38 digits


def fold(field: str) -> str:
    """Write a field's name so that Full Name, full_name and fullName are equal."""
    return re.sub(r"[\W_]", "", field.casefold())


def read_objects(text: str | bytes) -> list[Json] | dict[str, Json]:
    """Read objects: a list of them, or a mapping by id.

    Raises:
        ConfigError: It is neither JSON, nor JSON a line, nor a CSV with a name or an id.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as err:
        value = _from_lines(text)
        if value is None:
            raise ConfigError(
                f"the records are not JSON: {err}; nor are they a CSV whose first line has a"
                ' column "name" or "id"'
            ) from err
    try:
        value = _unwrapped(value)
    except RecursionError as err:
        raise ConfigError("the records are nested too deep") from err
    if not isinstance(value, (list, dict)):
        raise ConfigError("the records are neither a list nor a mapping of JSON objects")
    return value


def _from_lines(text: str | bytes) -> list[Json] | None:
    """Read JSON a line, or a CSV; None if it is neither."""
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError:
            return None
    text = text.removeprefix("\ufeff")
    try:
        lines = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        return _from_csv(text)
    return lines if lines and all(isinstance(line, dict) for line in lines) else None


def _from_csv(text: str) -> list[Json] | None:
    header = text.split("\n", 1)[0]
    delimiters = [mark for mark in _DELIMITERS if any(map(_says_who, header.split(mark)))]
    if not delimiters:
        return None
    # With two, a name may be the only column there is: then the one that is in the line.
    delimiter = next((mark for mark in delimiters if mark in header), ",")
    try:
        fields, *rows = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    except csv.Error as err:
        raise ConfigError(f"the CSV is damaged: {err}") from err
    fields = [field.strip() for field in fields]
    if len(set(fields)) < len(fields):
        raise ConfigError("the CSV has two columns of one name")
    return [_record(fields, row, place) for place, row in enumerate(rows, start=2) if any(row)]


def _says_who(cell: str) -> bool:
    return fold(cell) in (*NAME_FIELDS, *ID_FIELDS)


def _record(fields: Sequence[str], row: Sequence[str], place: int) -> Json:
    if len(row) > len(fields):
        raise ConfigError(f"row {place} of the CSV has {len(row)} cells, its head {len(fields)}")
    cells = zip(fields, row, strict=False)
    return {field: cell.strip() for field, cell in cells if field and cell.strip()}


def _unwrapped(value: Json) -> Json:
    """Take away what is around the objects, and DynamoDB's types from within."""
    if isinstance(value, dict):
        value = _inner(value)
    if isinstance(value, list):
        value = [_item(each) for each in value]
        if value and all(_is_typed(each) for each in value):
            return [_plain({"M": each}) for each in value]
    elif isinstance(value, dict) and value and all(_is_typed(each) for each in value.values()):
        return {key: _plain({"M": each}) for key, each in value.items()}
    return value


def _inner(value: dict[str, Json]) -> Json:
    """Find the list within `{"Items": […], "Count": 2}` and the like; else it is by id, or one."""
    if "LastEvaluatedKey" in value:
        raise ConfigError("it is but one page of a table: scan it whole (LastEvaluatedKey)")
    if _is_typed(value) or _is_typed(_item(value)):
        return [value]
    listed = [each for each in value.values() if _is_list_of_objects(each)]
    if len(listed) == 1 and not any(isinstance(each, dict) for each in value.values()):
        return listed[0]
    if any(fold(key) in NAME_FIELDS and isinstance(each, str) for key, each in value.items()):
        return [value]  # one person's record
    if len(value) == 1:
        [within] = value.values()
        if isinstance(within, dict) and within and all(map(_is_named, within.values())):
            return within  # {"students": {"17": {"name": …}}}
    return value


def _item(value: Json) -> Json:
    """Take a record out of a request to write it: `{"PutRequest": {"Item": {…}}}`."""
    for wrapper in ("PutRequest", "Item"):
        if (
            isinstance(value, dict)
            and list(value) == [wrapper]
            and isinstance(value[wrapper], dict)
        ):
            value = value[wrapper]
    return value


def _is_list_of_objects(value: Json) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(x, dict) for x in value)


def _is_named(value: Json) -> bool:
    return isinstance(value, dict) and any(fold(key) in NAME_FIELDS for key in value)


def _is_typed(value: Json) -> bool:
    """Tell whether it is an item in DynamoDB's own JSON: `{"name": {"S": "Ada"}}`."""
    return isinstance(value, dict) and bool(value) and all(map(_is_attribute, value.values()))


def _is_attribute(value: Json) -> bool:
    return isinstance(value, dict) and len(value) == 1 and set(value) <= _TYPES


def _plain(value: Json) -> Json:
    """Write an attribute as plain JSON. No deeper than what JSON's own reader took."""
    match value:
        case {"M": dict(within)}:
            return {key: _plain(each) for key, each in within.items()}
        case {"L": list(within)}:
            return [_plain(each) for each in within]
        case {"S": str(text)}:
            return text
        case {"N": str(number)}:
            return _number(number)
        case {"BOOL": bool(flag)}:
            return flag
        case {"NULL": True}:
            return None
        case {"SS": list(texts)} if all(isinstance(text, str) for text in texts):
            return texts
        case {"NS": list(numbers)} if all(isinstance(number, str) for number in numbers):
            return [_number(str(number)) for number in numbers]
    raise ConfigError(f"an attribute in it is not as DynamoDB writes one: {json.dumps(value)[:60]}")


def _number(text: str) -> Json:
    is_whole = re.fullmatch(r"-?\d+", text)
    if is_whole and len(text) > _MAX_NUMBER:
        raise ConfigError(f"{text[:_MAX_NUMBER]}… has more digits than DynamoDB's N can have")
    try:
        return int(text) if is_whole else float(text)
    except ValueError as err:
        raise ConfigError(f"{text[:_MAX_NUMBER]!r} is no number, as DynamoDB's N is one") from err
