"""The register: who is enrolled, with which faces, and the port of the store that keeps it.

Every change to it counts its version up in the same transaction, so that whoever holds a copy in
memory can tell with one small read whether it is still true.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cloud.names import is_line
from sightline.errors import ConfigError
from sightline.wire import Json

Embedding = NDArray[np.float32]  # (d,); d and the measure are the engine's

MAX_RECORD_BYTES = 4096  # one frame's answer holds many records, and MQTT takes 128 KiB of it
MAX_RECORD_DEPTH = 16
MAX_NAME = 200

_PERSON_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledPerson:
    """Somebody the system may name."""

    id: str
    name: str
    record: Mapping[str, Json]
    consent: str | None = None  # where it is written down that they agreed
    created_at: datetime
    updated_at: datetime
    revision: int = 1  # counts this person's changes, so that two at once cannot mix

    def __post_init__(self) -> None:
        check_person_id(self.id)
        check_name(self.name)
        check_record(self.record)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledFace:
    """What one photo taught about a person. The photo itself is not kept."""

    person_id: str
    id: str
    engine: str  # embeddings of different engines are never compared
    embedding: Embedding = field(repr=False, compare=False)
    photo_sha256: str
    side_px: float  # of the face's box, the smaller side
    sharpness: float
    added_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """All that changes about one person, to be made at once."""

    person_id: str
    expected: int | None  # the revision this change was made from; None: there must be nobody
    person: EnrolledPerson | None  # as they shall be; None: gone
    added: tuple[EnrolledFace, ...] = ()
    removed: tuple[str, ...] = ()  # ids of faces


class ConflictError(ConfigError):
    """Somebody else changed the same person at the same moment; look again, then try again."""


class RegisterReader(Protocol):
    """The register, to look things up in. All reads see every write that ended before them."""

    def version(self) -> int:
        """Count of all changes so far; 0 if there was none.

        Raises:
            TransportError: The store did not answer.
        """
        ...

    def people(self, ids: Collection[str] | None = None) -> Mapping[str, EnrolledPerson]:
        """Read the people of *ids*, or everybody; whoever is not there is left out.

        Raises:
            TransportError: The store did not answer.
        """
        ...

    def faces(self, person_id: str | None = None) -> Sequence[EnrolledFace]:
        """Read one person's faces, or all.

        Raises:
            TransportError: The store did not answer.
        """
        ...


class Register(RegisterReader, Protocol):
    """The register, to change.

    `cloud.people_table.PeopleTable` keeps it in DynamoDB, `cloud.memory.MemoryRegister` in the
    process. Both pass the same laws.
    """

    def write(self, change: Change) -> None:
        """Make *change*, and count the version up with it.

        Raises:
            ConflictError: The person is at another revision than the change was made from.
            TransportError: The store did not answer.
        """
        ...


def check_person_id(person_id: str) -> str:
    """Return *person_id* if it can be one: it stands in keys, topics and on command lines.

    Raises:
        ConfigError: It cannot.
    """
    if not _PERSON_ID.fullmatch(person_id):
        raise ConfigError(
            f"{person_id[:70]!r} is no person's id: use 1 to 64 of a-z 0-9 -, such as ada-lovelace"
        )
    return person_id


def check_name(name: str) -> str:
    """Return *name* if it can be shown on a line.

    Raises:
        ConfigError: It cannot.
    """
    if not 1 <= len(name) <= MAX_NAME or not is_line(name) or name != name.strip():
        raise ConfigError(f"{name[:60]!r} is no name: give 1 to {MAX_NAME} printable characters")
    return name


def check_record(record: Json) -> Mapping[str, Json]:
    """Return *record* if it can travel in a result.

    Raises:
        ConfigError: It is no JSON object, or too large, or too deep.
    """
    if not isinstance(record, Mapping):
        raise ConfigError('a record is a JSON object, such as {"major": "Mathematics"}')
    if _depth(record) > MAX_RECORD_DEPTH:
        raise ConfigError(f"the record is nested deeper than {MAX_RECORD_DEPTH} levels")
    try:
        text = write_record(record)
        size = len(text.encode())
    except (TypeError, ValueError) as err:
        raise ConfigError(f"the record is not JSON: {err}") from err
    if size > MAX_RECORD_BYTES:
        raise ConfigError(f"the record has {size} bytes of JSON; at most {MAX_RECORD_BYTES} fit")
    checked: Mapping[str, Json] = json.loads(text)  # a copy: whose it was may change it
    return checked


def write_record(record: Mapping[str, Json]) -> str:
    """Write *record* as the JSON text that is stored: any JSON survives it unchanged."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _depth(value: Json) -> int:
    """Count levels without recursion: what comes in may be deeper than Python's stack."""
    level, deepest = [value], 0
    while level and deepest <= MAX_RECORD_DEPTH:
        deepest += 1
        nested = [item for item in level if isinstance(item, (dict, list, tuple))]
        level = [v for item in nested for v in (item.values() if isinstance(item, dict) else item)]
    return deepest
