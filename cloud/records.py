"""Records out of a file such as `student_data.json`: who is meant by each, and what is said."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from cloud.imports.record_shapes import ID_FIELDS, NAME_FIELDS, fold, read_objects
from cloud.names import likeness, slug, tidy
from cloud.register import check_name, check_person_id, check_record
from sightline.errors import ConfigError
from sightline.wire import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRecord:
    """One person's record, and what the file calls them."""

    person_id: str | None  # None: whoever has the name
    name: str
    record: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """All records of a file, and what tells them apart."""

    identified_by: str  # for the operator: the field "name", or the mapping's keys
    records: tuple[NamedRecord, ...]


def read_records(text: str | bytes) -> Records:
    """Read JSON: `[{"name": …, …}, …]`, `[{"id": …, …}, …]`, or `{"<id>": {…}, …}`.

    DynamoDB's tools, JSON a line and CSV say the same otherwise: `cloud.imports.record_shapes`.
    People are told apart by a list's names if each has one and no two are alike, else by its ids.

    Raises:
        ConfigError: It is neither, or a record is not valid; it names the place or the key.
    """
    value = read_objects(text)
    if not value:
        raise ConfigError("there are no records in it")
    return _from_mapping(value) if isinstance(value, dict) else _from_list(value)


def read_record(text: str) -> Mapping[str, Json]:
    """Read one record as typed on a command line.

    Raises:
        ConfigError: It is not a JSON object, or not one that fits.
    """
    try:
        return check_record(json.loads(text))
    except (ValueError, RecursionError) as err:
        raise ConfigError(
            f"""the record {text[:60]!r} is not JSON ({err}); write such as '{{"room": 12}}'"""
        ) from err


def _from_mapping(value: dict[str, Json]) -> Records:
    found = []
    for key, given in value.items():
        where = f"the record of {key[:60]!r}"
        record = _object(given, where)
        name = _said(record, NAME_FIELDS) or key
        found.append(_record(where, name, key, record))
    return Records(identified_by="the mapping's keys", records=_told_apart(found, list(value)))


def _from_list(value: list[Json]) -> Records:
    places = [f"record {i}" for i in range(len(value))]
    records = [_object(given, where) for given, where in zip(value, places, strict=True)]
    names = [_said(record, NAME_FIELDS) for record in records]
    alike = Counter(likeness(name) for name in names if name)
    by_name = all(name is not None and alike[likeness(name)] == 1 for name in names)
    found = []
    for where, name, record in zip(places, names, records, strict=True):
        id_ = None if by_name else _said(record, ID_FIELDS)
        if not by_name and id_ is None:
            what = "no id, and names alone do not tell all apart" if name else "neither name nor id"
            raise ConfigError(f'{where} has {what}; give it a field "id"')
        found.append(_record(where, name or id_ or "", id_, record))
    taken = _taken(records, NAME_FIELDS if by_name else ID_FIELDS)
    return Records(identified_by=f"the field {taken}", records=_told_apart(found, places))


def _record(where: str, name: str, id_: str | None, record: dict[str, Json]) -> NamedRecord:
    """Make one; what `Person` says of somebody anyway is left out of their record."""
    name, person_id = tidy(name), None if id_ is None else slug(id_)
    said = {**dict.fromkeys(NAME_FIELDS, name), **dict.fromkeys(ID_FIELDS, person_id)}
    rest = {k: v for k, v in record.items() if fold(k) not in said or str(v) != said[fold(k)]}
    try:
        if person_id is not None:
            check_person_id(person_id)
        return NamedRecord(person_id=person_id, name=check_name(name), record=check_record(rest))
    except ConfigError as err:
        raise ConfigError(f"{where}: {err}") from err


def _object(value: Json, where: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where} is not a JSON object")
    return value


def _said(record: dict[str, Json], names: tuple[str, ...]) -> str | None:
    """Return the first of the fields that holds a text, or a whole number written as one."""
    fields = sorted((names.index(fold(key)), key) for key in record if fold(key) in names)
    for _, field in fields:
        value = record[field]
        if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).strip():
            return str(value)
    return None


def _taken(records: list[dict[str, Json]], names: tuple[str, ...]) -> str:
    fields = dict.fromkeys(key for record in records for key in record if fold(key) in names)
    return " or ".join(map(repr, fields)) or "none"


def _told_apart(found: list[NamedRecord], places: list[str]) -> tuple[NamedRecord, ...]:
    before: dict[str, str] = {}
    for named, place in zip(found, places, strict=True):
        if named.person_id is not None:
            other = before.setdefault(named.person_id, place)
            if other != place:
                raise ConfigError(f"{other!r} and {place!r} would both be {named.person_id!r}")
    return tuple(found)
