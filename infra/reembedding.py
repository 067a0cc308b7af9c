"""After a change of engine: the same photos, embedded anew.

The register keeps no photo, but the digest of each it was taught with. So any folder that holds
those files serves, whatever they are called and however they are sorted.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloud.enrolment import Photo
from cloud.people import Entry
from cloud.photos import read_photos
from sightline.errors import ConfigError

WAYS_OUT = (
    "./run people re-embed FOLDER, where FOLDER holds the photos they were enrolled from;"
    " or enrol them again: ./run people add NAME PHOTO…"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which photos are to be embedded again, and who is left without."""

    files: Mapping[str, Sequence[Path]]  # by person's id
    complete: tuple[str, ...]  # ids of people who have all they had already
    missing: Mapping[str, Sequence[str]]  # by person's id, SHA-256 of photos that were not found
    strangers: int  # images of the folder that nobody was enrolled from


def without(entries: Iterable[Entry], engine: str) -> tuple[str, ...]:
    """Ids of people who have faces, but none of the engine with that id."""
    return tuple(
        entry.person.id
        for entry in entries
        if entry.faces and all(face.engine != engine for face in entry.faces)
    )


def warning(entries: Iterable[Entry], engine: str) -> str | None:
    """Say who is not recognised with that engine, and how to mend it; None if everybody is."""
    people = without(entries, engine)
    if not people:
        return None
    names = ", ".join(people[:5]) + (f" and {len(people) - 5} more" if len(people) > 5 else "")
    have = "has" if len(people) == 1 else "have"
    return f"{names} {have} no embedding of {engine} and cannot be recognised: {WAYS_OUT}"


def plan(entries: Sequence[Entry], engine: str, folder: Path) -> Plan:
    """Find the photos in *folder*, and below it, that *entries* were enrolled from.

    Raises:
        ConfigError: It is no folder, or a file cannot be read.
    """
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}")
    wanted: dict[str, list[str]] = {}  # digest -> people
    known: set[str] = set()  # digests of everybody's photos
    complete = []
    for entry in entries:
        done = {face.photo_sha256 for face in entry.faces if face.engine == engine}
        left = {face.photo_sha256 for face in entry.faces} - done
        known |= left | done
        for digest in left:
            wanted.setdefault(digest, []).append(entry.person.id)
        if entry.faces and not left:
            complete.append(entry.person.id)
    files: dict[str, list[Path]] = {}
    found: set[str] = set()
    strangers = 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest = _digest(path)
        if digest in wanted and digest not in found:
            found.add(digest)
            for person in wanted[digest]:
                files.setdefault(person, []).append(path)
        strangers += digest not in known
    missing: dict[str, list[str]] = {}
    for digest in sorted(wanted.keys() - found):
        for person in wanted[digest]:
            missing.setdefault(person, []).append(digest)
    return Plan(files=files, complete=tuple(complete), missing=missing, strangers=strangers)


def keep_photos(folder: Path, person_id: str, photos: Iterable[Path]) -> list[Path]:
    """Copy photos to where `re-embed` finds them: a folder a person, a name a digest.

    Raises:
        ConfigError: One cannot be read or written.
    """
    kept = []
    for photo in read_photos(list(photos)):
        digest = hashlib.sha256(photo.data).hexdigest()
        kept.append(folder / person_id / f"{digest[:16]}{Path(photo.name).suffix.lower()}")
        _write(kept[-1], photo)
    return kept


def _write(path: Path, photo: Photo) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_bytes(photo.data)
        path.chmod(0o600)  # a face is nobody else's business
    except OSError as err:
        raise ConfigError(f"{path} cannot be written: {err.strerror}") from err


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as err:
        raise ConfigError(f"cannot read {path}: {err.strerror}") from err
