"""TOML tables to dataclasses: unknown keys are refused, and every error names file and key."""

import difflib
import tomllib
import types
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from sightline.errors import ConfigError

T = TypeVar("T")
Toml = Any  # what tomllib gives; narrowed here and nowhere else

_EXPECTED = {
    str: "a text in quotes",
    Path: "a path in quotes",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


def read(kind: type[T], path: Path) -> T:
    """Read *kind*, a dataclass of scalars, lists and further dataclasses, from *path*.

    Raises:
        ConfigError: It says the file, the key in it, and what was expected there.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise ConfigError(f"{path}: no such file; give the device's with --config FILE") from err
    except OSError as err:
        raise ConfigError(f"{path}: cannot be read: {err.strerror or err}") from err
    except UnicodeDecodeError as err:
        raise ConfigError(f"{path}: is not UTF-8 text, so it cannot be TOML") from err
    except tomllib.TOMLDecodeError as err:
        raise ConfigError(f"{path}: is not TOML: {err}") from err
    try:
        return cast(T, _load_table(kind, table, ""))
    except ConfigError as err:
        raise ConfigError(f"{path}: {err}") from err


def path_of(text: str, place: str) -> Path:
    """Read the path that stands at *place*, with ~ for somebody's home.

    Raises:
        ConfigError: It is empty, or there is nobody of that name.
    """
    if not text:
        raise ConfigError(f"{place}: expected {_EXPECTED[Path]}, got {_shown(text)}")
    try:
        return Path(text).expanduser()
    except RuntimeError as err:
        raise ConfigError(f"{place}: {_shown(text)}: whose home is that? Write it out") from err


def changed(value: T, table: Mapping[str, Toml], section: str) -> T:
    """Give *value*, a dataclass that was read from *section*, with what *table* says instead.

    Raises:
        ConfigError: It says the key, and what was expected there.
    """
    known = {each.name for each in fields(cast(Any, value))}
    hints = get_type_hints(type(value))
    arguments: dict[str, object] = {}
    for name, item in table.items():
        place = _place(section, name)
        if name not in known:
            raise ConfigError(f"{place}: no such key{_nearest(name, known)}")
        if not is_dataclass(hints[name]):
            arguments[name] = _load(hints[name], item, place)
        elif isinstance(item, dict):
            arguments[name] = changed(getattr(value, name), item, f"{section}.{name}")
        else:
            raise ConfigError(f"{place}: expected a section, got {_shown(item)}")
    try:
        return cast(T, replace(cast(Any, value), **arguments))
    except ConfigError as err:
        raise ConfigError(f"[{section}] {err}") from err


def _load_table(kind: type[object], table: Mapping[str, Toml], section: str) -> object:
    known = {each.name: each for each in fields(cast(Any, kind))}
    for key in table:
        if key not in known:
            raise ConfigError(f"{_place(section, key)}: no such key{_nearest(key, known)}")
    hints = get_type_hints(kind)
    arguments = {}
    for name, each in known.items():
        place = _place(section, name)
        if name in table:
            arguments[name] = _load(hints[name], table[name], place)
        elif _required(each):
            what = "section" if is_dataclass(hints[name]) else "key"
            raise ConfigError(f"{place}: this {what} is missing")
    try:
        return kind(**arguments)
    except ConfigError as err:
        raise ConfigError(f"[{section}] {err}" if section else str(err)) from err


def _load(kind: Any, value: Toml, place: str) -> object:
    origin, args = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        if not isinstance(value, dict):
            raise ConfigError(f"{place}: expected a section, got {_shown(value)}")
        section = place.replace("] ", ".").strip("[]")  # as TOML writes it: [gate.faces]
        return _load_table(cast(type[object], kind), value, section)
    if origin in (Union, types.UnionType):
        (kind,) = [arg for arg in args if arg is not type(None)]
        return _load(kind, value, place)
    if origin is tuple:
        if not isinstance(value, list):
            raise ConfigError(f"{place}: expected a list, got {_shown(value)}")
        return tuple(_load(args[0], item, f"{place}[{i}]") for i, item in enumerate(value))
    return _load_scalar(kind, value, place)


def _load_scalar(kind: type[object], value: Toml, place: str) -> object:
    given = float if kind is float and type(value) is int else type(value)
    if given is not (str if kind is Path else kind):  # bool is an int to Python, not to us
        raise ConfigError(f"{place}: expected {_EXPECTED[kind]}, got {_shown(value)}")
    if isinstance(value, str) and "\0" in value:  # no path and no argument can have one
        raise ConfigError(f"{place}: expected a text without the character NUL")
    try:
        if kind is Path:
            return path_of(value, place)
        return float(value) if kind is float else value
    except OverflowError as err:  # an integer may have thousands of digits
        raise ConfigError(f"{place}: expected {_EXPECTED[kind]}, got {_shown(value)}") from err


def _place(section: str, key: str) -> str:
    return f"[{section}] {key}" if section else key


def _nearest(key: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(key, names, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(names)}"


def _required(each: "Field[Any]") -> bool:
    return each.default is MISSING and each.default_factory is MISSING


def _shown(value: Toml) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."
