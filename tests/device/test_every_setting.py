"""Every key of device.toml, wrong in turn. Which there are is read off the dataclasses."""

import tomllib
import types
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

from device.settings import Settings
from sightline.errors import ConfigError
from tests.device.test_settings import WHOLE

Table = dict[str, Any]

# A value of each kind that TOML has, as it is written there.
WRITTEN: dict[type, str] = {
    str: '"some text"',
    int: "5",
    float: "5.5",
    bool: "true",
    list: "[[]]",
    dict: "{ a = 1 }",
    object: "1979-05-27T07:32:00Z",
}
# No number of ours may be any of these; nan passes wherever a bound is asked for the wrong way.
NO_NUMBERS = ("-1", "-1e300", "1e300", "inf", "-inf", "nan", "1" + "0" * 400)
NO_PATHS = ('""', r'"a\u0000b"', '"~no-such-user/x"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key as its path, and of what kind its value is."""

    path: tuple[str, ...]
    kind: Any

    def __str__(self) -> str:
        return ".".join(self.path)


def keys_of(kind: Any, above: tuple[str, ...] = ()) -> Iterator[Key]:
    hints = get_type_hints(kind)
    for each in fields(kind):
        path, of = (*above, each.name), without_none(hints[each.name])
        yield Key(path=path, kind=of)
        if is_dataclass(of):
            yield from keys_of(of, path)


def without_none(kind: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        (kind,) = [each for each in get_args(kind) if each is not types.NoneType]
    return kind


KEYS = list(keys_of(Settings))
SECTIONS = [(), *(key.path for key in KEYS if is_dataclass(key.kind))]
LEAVES = [key for key in KEYS if not is_dataclass(key.kind)]


def document(path: tuple[str, ...], value: str) -> str:
    """Write device.toml with *value* at *path*, and with nothing else that is not needed there."""
    table = tomllib.loads(WHOLE)
    if path[0] == "claim":  # [claim] takes the name's place, and needs a template
        del table["thing"]
        table["claim"] = {"template": "fleet"}
    inner = table
    for name in path[:-1]:
        inner = inner.setdefault(name, {})
    inner[path[-1]] = Verbatim(value)
    return "\n".join(f"{name} = {toml(item)}" for name, item in table.items())


class Verbatim(str):
    """A value as TOML writes it."""


def toml(value: object) -> str:
    match value:
        case Verbatim():
            return value
        case dict():
            return "{ " + ", ".join(f"{name} = {toml(item)}" for name, item in value.items()) + " }"
        case list():
            return "[" + ", ".join(toml(item) for item in value) + "]"
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case _:
            return str(value)


def wrong_kinds(kind: Any) -> list[str]:
    """Values that are of another kind than *kind*; a whole number is a number, too."""
    if is_dataclass(kind):
        right = {dict}
    elif get_origin(kind) is tuple:
        right = set()  # a list, which has another inside
    else:
        right = {kind: {kind}, Path: {str}, float: {float, int}}.get(kind, {kind})
    return [written for each, written in WRITTEN.items() if each not in right]


def refused(folder: Path, path: tuple[str, ...], value: str) -> str:
    file = folder / "device.toml"
    file.write_text(document(path, value), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        Settings.read(file)
    said = str(caught.value)
    assert said.startswith(f"{file}: ")
    assert "\n" not in said
    return said.removeprefix(f"{file}: ")


def named(said: str, key: Key) -> bool:
    """Tell whether what is *said* begins with the section and the key."""
    *section, name = key.path
    head = f"[{'.'.join(section)}] " if section else ""
    return said.startswith((f"{head}{name}:", f"{head}{name} (", f"{head}{name}["))


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_a_value_of_another_kind_is_refused_by_section_and_key(key: Key, tmp_path: Path) -> None:
    for value in wrong_kinds(key.kind):
        said = refused(tmp_path, key.path, value)
        assert named(said, key), said
        assert "expected" in said


@pytest.mark.parametrize("key", [key for key in LEAVES if key.kind in (int, float)], ids=str)
def test_every_number_has_a_bound_on_both_sides(key: Key, tmp_path: Path) -> None:
    for value in NO_NUMBERS:
        said = refused(tmp_path, key.path, value)
        assert named(said, key), said


@pytest.mark.parametrize("key", [key for key in LEAVES if key.kind is Path], ids=str)
def test_what_can_be_no_path_is_refused(key: Key, tmp_path: Path) -> None:
    for value in NO_PATHS:
        said = refused(tmp_path, key.path, value)
        assert named(said, key), said


@pytest.mark.parametrize("key", [key for key in LEAVES if key.kind is str], ids=str)
def test_a_text_that_is_empty_or_has_a_nul_is_refused(key: Key, tmp_path: Path) -> None:
    for value in ('""', r'"a\u0000b"'):
        said = refused(tmp_path, key.path, value)
        assert named(said, key), said


@pytest.mark.parametrize("section", SECTIONS, ids=lambda path: ".".join(path) or "top")
def test_a_key_that_there_is_not_is_refused_in_every_section(
    section: tuple[str, ...], tmp_path: Path
) -> None:
    said = refused(tmp_path, (*section, "zzz"), "1")

    head = f"[{'.'.join(section)}] " if section else ""
    assert said.startswith(f"{head}zzz: no such key; there are ")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("storage.s3_endpoint", '"ftp://127.0.0.1"'),
        ("storage.s3_endpoint", '"http://127.0.0.1:99999"'),
        ("storage.s3_endpoint", '"http://[::1"'),
        ("storage.credentials_endpoint", '"127.0.0.1:99999"'),
        ("storage.credentials_endpoint", '"127.0.0.1:0"'),
        ("storage.region", '"us-east-१"'),
        ("camera.source", '"~no-such-user/clip.mp4"'),
        ("results.hook", r'["/bin/cat", "a\u0000b"]'),
    ],
)
def test_what_would_fail_only_when_it_is_used_is_refused_at_the_start(
    path: str, value: str, tmp_path: Path
) -> None:
    key = Key(path=tuple(path.split(".")), kind=str)

    assert named(refused(tmp_path, key.path, value), key)


def test_the_document_that_is_spoilt_is_right_by_itself(tmp_path: Path) -> None:
    file = tmp_path / "device.toml"
    for path, value in ((("iot", "port"), "8883"), (("claim", "template"), '"fleet"')):
        file.write_text(document(path, value), encoding="utf-8")
        Settings.read(file)
