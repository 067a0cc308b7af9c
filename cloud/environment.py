"""A function's settings out of its environment: one field of a dataclass, one variable."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_type_hints

from sightline.errors import ConfigError

PREFIX = "SIGHTLINE_"

T = TypeVar("T")


def read(cls: type[T], environment: Mapping[str, str]) -> T:
    """Make a *cls* of *environment*; its `media_bucket` is `SIGHTLINE_MEDIA_BUCKET` there.

    Args:
        cls: A dataclass whose fields are texts, numbers, paths or truths. One without a default
            must be given, and not be empty; a path that may be None is so if it is empty.
        environment: What a function's environment is; variables of others are left alone.

    Raises:
        ConfigError: A variable is missing, wrong or unknown; it says which.
    """
    given = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX)
    }
    known = {each.name: each for each in fields(cls)}  # type: ignore[arg-type]  # a dataclass
    for name in sorted(given.keys() - known.keys()):
        raise ConfigError(f"{variable(name)} is no setting here{_hint(name, list(known))}")
    for name, each in known.items():
        if _is_required(each):
            check_given(name, given.get(name, ""))
    types = get_type_hints(cls)
    return cls(**{name: _value(name, types[name], text) for name, text in given.items()})


def check_given(name: str, value: str) -> None:
    """See that the setting *name* is not empty.

    Raises:
        ConfigError: It is.
    """
    if not value:
        raise ConfigError(f"{variable(name)} is not set; the stack's template sets it")


def check_range(name: str, value: float, least: float, most: float, unit: str) -> None:
    """See that the setting *name* is from *least* to *most*.

    Raises:
        ConfigError: It is not.
    """
    if not least <= value <= most:
        raise ConfigError(f"{variable(name)} is {value}; give {least} to {most} {unit}")


def variable(name: str) -> str:
    """Name the variable of a field."""
    return PREFIX + name.upper()


def _is_required(field: "Field[Any]") -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _value(name: str, kind: Any, text: str) -> object:
    if isinstance(kind, UnionType):  # Path | None, and the like
        [kind] = [each for each in kind.__args__ if each is not type(None)]
        if not text:
            return None
    convert, what = _KINDS[kind]
    try:
        return convert(text)
    except ValueError as err:
        raise ConfigError(f"{variable(name)} is {text!r}, not {what}") from err


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


_KINDS: dict[Any, tuple[Callable[[str], object], str]] = {
    str: (str, "a text"),
    int: (int, "a whole number"),
    float: (float, "a number"),
    bool: (_truth, "true or false"),
    Path: (Path, "a path"),
}


def _hint(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {variable(near[0])}?" if near else ""
