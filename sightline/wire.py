"""JSON to values and back, by the types of a dataclass's fields.

`load` takes any parsed JSON and either gives a value of the type or says which field is wrong and
what was expected. It never coerces: a peer that sends "12" for a number is told so.
"""

import math
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from sightline.errors import MessageError

T = TypeVar("T")
Json = Any  # what json.loads gives; narrowed here and nowhere else

MAX_INTEGER = 2**53 - 1  # beyond it JavaScript, and with it every browser, loses digits
# Levels within levels of JSON that somebody else wrote: a record has 16, and AWS IoT Core takes 8
# of a shadow's `desired`, with 4 more around them at most. Near Python's own limit, about 980, it
# would depend on who calls whether it can be read, and then whether it can be written.
MAX_DEPTH = 64
_MAX_WHERE = 200  # characters; names of megabytes would be copied for every field within them

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


def load(kind: type[T], value: Json, where: str = "") -> T:
    """Read a *kind*: a dataclass, a scalar, `Literal`, `tuple`, `Mapping` or `… | None`.

    Args:
        where: The field's path, for the error; empty for the message itself.

    Raises:
        MessageError: *value* is not one.
    """
    return cast(T, _load(kind, value, where))


def dump(value: object) -> Json:
    """Write *value* as what `json.dumps` takes; fields at their default of None are left out."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: dump(item)
            for field in fields(value)
            if not ((item := getattr(value, field.name)) is None and field.default is None)
        }
    if isinstance(value, datetime):
        return write_time(value)
    if isinstance(value, Mapping):
        return {key: dump(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [dump(item) for item in value]
    return value


def write_time(at: datetime) -> str:
    """Write RFC 3339 in UTC, to the millisecond, or to the microsecond where that loses some."""
    spec = "microseconds" if at.microsecond % 1000 else "milliseconds"
    return at.astimezone(UTC).isoformat(timespec=spec).replace("+00:00", "Z")


def read_time(text: str, where: str = "time") -> datetime:
    """Read RFC 3339, with its offset, into UTC.

    Raises:
        MessageError: It is not that, or has no offset: nobody could know what it means.
    """
    if not _RFC3339.fullmatch(text):
        raise _wrong(where, "a time such as 2026-11-21T09:30:00.512Z, with its offset", text)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as err:
        raise _wrong(where, "a time that exists", text) from err


def _load(kind: Any, value: Json, where: str) -> object:
    if is_dataclass(kind):
        return _load_dataclass(cast(type[object], kind), value, where)
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        (inner,) = [arg for arg in args if arg is not type(None)]
        return None if value is None else _load(inner, value, where)
    if origin is Literal:
        if not isinstance(value, str) or value not in args:
            raise _wrong(where, "one of " + ", ".join(args), value)
        return value
    if origin is tuple:
        return _load_tuple(args, value, where)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise _wrong(where, "an object", value)
        return {
            _load_text(name, where): _load(args[1], item, _inside(where, name))
            for name, item in value.items()
        }
    loader = _SCALARS[kind]
    return loader(value, where)


def _load_dataclass(kind: type[object], value: Json, where: str) -> object:
    if not isinstance(value, dict):
        raise _wrong(where or f"a {kind.__name__}", "an object", value)
    hints = get_type_hints(kind)
    prefix = f"{where}." if where else ""
    arguments = {}
    for field in fields(cast(Any, kind)):
        if field.name in value:
            arguments[field.name] = _load(hints[field.name], value[field.name], prefix + field.name)
        elif _required(field):
            raise MessageError(f"{prefix}{field.name} is missing from the {kind.__name__}")
    try:
        return kind(**arguments)
    except MessageError as err:
        raise MessageError(f"{prefix}{err}") from err


def _required(field: "Field[Any]") -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _load_tuple(args: tuple[Any, ...], value: Json, where: str) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise _wrong(where, "a list", value)
    if args[-1] is Ellipsis:
        return tuple(_load(args[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if len(value) != len(args):
        raise _wrong(where, f"a list of {len(args)}", value)
    pairs = zip(args, value, strict=True)
    return tuple(_load(arg, item, f"{where}[{i}]") for i, (arg, item) in enumerate(pairs))


def _load_text(value: Json, where: str) -> str:
    if not isinstance(value, str):
        raise _wrong(where, "a text", value)
    try:
        value.encode()
    except UnicodeEncodeError as err:  # "\ud800" is JSON, but no text: nothing could store it
        raise _wrong(where, "a text in Unicode", value) from err
    return value


def _load_integer(value: Json, where: str) -> int:
    # bool is an int to Python, and 12.0 none to us: no peer of ours writes either by intention.
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_INTEGER:
        raise _wrong(where, "a whole number", value)
    return value


def _load_number(value: Json, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong(where, "a number", value)
    try:
        number = float(value)
    except OverflowError as err:
        raise _wrong(where, "a number", value) from err
    if not math.isfinite(number):
        raise _wrong(where, "a finite number", value)
    return number


def _load_truth(value: Json, where: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(where, "true or false", value)
    return value


def _load_time(value: Json, where: str) -> datetime:
    return read_time(_load_text(value, where), where)


def _load_json(value: Json, where: str, levels: int = MAX_DEPTH) -> Json:
    """Check JSON that we only pass on: a person's record."""
    if isinstance(value, (dict, list)) and not levels:
        raise MessageError(f"{where}: it is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        return {
            _load_text(name, where): _load_json(item, _inside(where, name), levels - 1)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_load_json(item, where, levels - 1) for item in value]
    if isinstance(value, str):
        return _load_text(value, where)
    if isinstance(value, float):
        return _load_number(value, where)
    return value


_SCALARS: dict[Any, Callable[[Json, str], object]] = {
    str: _load_text,
    int: _load_integer,
    float: _load_number,
    bool: _load_truth,
    datetime: _load_time,
    Json: _load_json,
}


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}"[:_MAX_WHERE]


def _wrong(where: str, expected: str, value: Json) -> MessageError:
    try:
        shown = ascii(value)
    except RecursionError:
        shown = "something nested too deeply"
    return MessageError(
        f"{where}: expected {expected}, got {shown if len(shown) <= 60 else shown[:57] + '...'}"
    )
