"""People: enrolled, looked up, changed, forgotten.

A person and all of their faces change in one step; two changes of one person at the same moment
never mix, for the later one looks again and starts anew.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from typing import TypeVar

from cloud.enrolment import Examined, Examiner, Outcome, Photo
from cloud.names import free_ids, tidy
from cloud.people_directory import Directory
from cloud.records import NamedRecord
from cloud.register import (
    Change,
    ConflictError,
    EnrolledFace,
    EnrolledPerson,
    Register,
    check_name,
    check_person_id,
    check_record,
)
from sightline.errors import ConfigError
from sightline.wire import Json

T = TypeVar("T")

_ATTEMPTS = 5  # at a change that others keep getting in the way of


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A person with their faces."""

    person: EnrolledPerson
    faces: tuple[EnrolledFace, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What came of adding photos; nobody, if every photo was refused and they were new."""

    person: EnrolledPerson | None
    outcomes: tuple[Outcome, ...]

    @property
    def accepted(self) -> int:
        """How many photos were taken."""
        return sum(outcome.accepted for outcome in self.outcomes)


class People:
    """The service behind `people …` on the command line."""

    def __init__(
        self,
        register: Register,
        *,
        now: Callable[[], datetime],
        examiner: Examiner | None = None,
    ) -> None:
        """Without an *examiner*, and with it the networks, all works but adding photos."""
        self._register = register
        self._examiner = examiner
        self._now = now

    def all(self) -> tuple[Entry, ...]:
        """Return everybody, by id."""
        faces: dict[str, list[EnrolledFace]] = {}
        for face in self._register.faces():
            faces.setdefault(face.person_id, []).append(face)
        people = self._register.people()
        return tuple(_entry(people[id_], faces.get(id_, ())) for id_ in sorted(people))

    def get(self, person_id: str) -> Entry:
        """Return one person.

        Raises:
            ConfigError: Nobody has that id; it names the nearest.
        """
        person = self._register.people([person_id]).get(person_id)
        if person is None:
            near = get_close_matches(person_id, self._register.people(), n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else "`people list` shows everybody"
            raise ConfigError(f"nobody has the id {person_id!r}; {hint}")
        return _entry(person, self._register.faces(person_id))

    def find(self, name: str) -> tuple[EnrolledPerson, ...]:
        """Return all whose id or name is *name*, whatever its case, accents and punctuation."""
        return Directory(self._register.people()).find(name)

    def add(
        self,
        name: str,
        photos: Iterable[Photo] = (),
        *,
        record: Mapping[str, Json] | None = None,
        consent: str | None = None,
        force: bool = False,
    ) -> Addition:
        """Enrol somebody new.

        If there are photos and each is refused, nobody is enrolled.

        Raises:
            ConfigError: The name or the record is not valid.
        """
        name, record = _clean(name), check_record(record or {})
        examined = self._examine("", photos, force=force)
        if examined.outcomes and not examined.faces:
            return Addition(person=None, outcomes=examined.outcomes)
        person = self._create(name, record, consent, examined.faces)
        return Addition(person=person, outcomes=examined.outcomes)

    def add_photos(
        self, person_id: str, photos: Iterable[Photo], *, force: bool = False
    ) -> Addition:
        """Enrol more photos of somebody.

        Raises:
            ConfigError: Nobody has that id.
        """
        self.get(person_id)
        examined = self._examine(person_id, photos, force=force)
        self.add_faces(person_id, examined.faces)
        return Addition(person=self.get(person_id).person, outcomes=examined.outcomes)

    def add_new(self, name: str, faces: Sequence[EnrolledFace]) -> EnrolledPerson:
        """Enrol somebody new with *faces* that were examined elsewhere, such as imported ones."""
        return self._create(_clean(name), {}, None, tuple(faces))

    def add_faces(self, person_id: str, faces: Sequence[EnrolledFace]) -> int:
        """Enrol *faces* of somebody but for those that they have; return how many are new."""

        def change(entry: Entry) -> int:
            # Others may have enrolled the same meanwhile; or another engine's of the same photo.
            there = {(face.engine, face.photo_sha256) for face in entry.faces}
            new = [face for face in faces if (face.engine, face.photo_sha256) not in there]
            added = tuple(replace(face, person_id=person_id) for face in new)
            if added:
                self._update(entry, entry.person, added)
            return len(added)

        return self._again_on_conflict(person_id, change)

    def put_all(self, records: Iterable[NamedRecord]) -> Iterator[tuple[EnrolledPerson, bool]]:
        """Enrol people's records, or replace them: to import a table twice is to import it once.

        The register is read once, and written where a record is new or another. A record without
        an id is that of the one who has the name.

        Yields:
            Each person, and whether they are new.

        Raises:
            ConfigError: Name, id or record is not valid, or several people have that name.
        """
        directory = Directory(self._register.people())
        for each in records:
            name, record = _clean(each.name), check_record(each.record)
            if each.person_id is None:
                known = directory.the_one(name)
            else:
                known = directory.get(check_person_id(each.person_id))
            if known is None:
                ids = None if each.person_id is None else iter([each.person_id])
                person = self._create(name, record, None, (), ids=ids)
            elif (known.name, known.record) == (name, record):
                person = known
            else:
                person = self.change(known.id, name=name, record=record)
            directory.note(person)
            yield person, known is None

    def put(
        self, name: str, *, person_id: str | None = None, record: Mapping[str, Json]
    ) -> tuple[EnrolledPerson, bool]:
        """Do what `put_all` does with one record."""
        [put] = self.put_all([NamedRecord(person_id=person_id, name=name, record=record)])
        return put

    def change(
        self,
        person_id: str,
        *,
        name: str | None = None,
        record: Mapping[str, Json] | None = None,
        consent: str | None = None,
    ) -> EnrolledPerson:
        """Change what is given of somebody; a record is replaced whole.

        Raises:
            ConfigError: Nobody has that id, or name or record is not valid.
        """
        changes: dict[str, Json] = {
            "name": None if name is None else _clean(name),
            "record": None if record is None else check_record(record),
            "consent": consent,
        }
        given = {field: value for field, value in changes.items() if value is not None}

        def change(entry: Entry) -> EnrolledPerson:
            person = replace(entry.person, **given)
            return entry.person if person == entry.person else self._update(entry, person)

        return self._again_on_conflict(person_id, change)

    def remove(self, person_id: str) -> Entry:
        """Forget somebody and all of their faces; return who that was.

        Raises:
            ConfigError: Nobody has that id.
        """

        def change(entry: Entry) -> Entry:
            self._register.write(
                Change(
                    person_id=person_id,
                    expected=entry.person.revision,
                    person=None,
                    removed=tuple(face.id for face in entry.faces),
                )
            )
            return entry

        return self._again_on_conflict(person_id, change)

    def _examine(self, person_id: str, photos: Iterable[Photo], *, force: bool) -> Examined:
        photos = list(photos) if isinstance(photos, Sequence) else photos
        if photos == []:
            return Examined(faces=(), outcomes=())
        if self._examiner is None:
            raise ConfigError("photos cannot be enrolled here: no recognition engine was given")
        return self._examiner.examine(person_id, photos, force=force)

    def _create(
        self,
        name: str,
        record: Mapping[str, Json],
        consent: str | None,
        faces: tuple[EnrolledFace, ...],
        *,
        ids: Iterator[str] | None = None,
    ) -> EnrolledPerson:
        now = self._now()
        for person_id in ids or free_ids(name):
            person = EnrolledPerson(
                id=person_id,
                name=name,
                record=record,
                consent=consent,
                created_at=now,
                updated_at=now,
            )
            added = tuple(replace(face, person_id=person_id) for face in faces)
            try:
                self._register.write(
                    Change(person_id=person_id, expected=None, person=person, added=added)
                )
            except ConflictError:
                continue  # a namesake has it
            return person
        raise ConflictError(f"{name!r} could not be enrolled: the id is taken; try again")

    def _update(
        self, entry: Entry, person: EnrolledPerson, added: tuple[EnrolledFace, ...] = ()
    ) -> EnrolledPerson:
        before = entry.person.revision
        person = replace(person, updated_at=self._now(), revision=before + 1)
        self._register.write(
            Change(person_id=person.id, expected=before, person=person, added=added)
        )
        return person

    def _again_on_conflict(self, person_id: str, change: Callable[[Entry], T]) -> T:
        for _ in range(_ATTEMPTS):
            try:
                return change(self.get(person_id))
            except ConflictError as err:
                conflict = err
        raise conflict


def _clean(name: str) -> str:
    return check_name(tidy(name))


def _entry(person: EnrolledPerson, faces: Iterable[EnrolledFace]) -> Entry:
    return Entry(person=person, faces=tuple(sorted(faces, key=lambda f: (f.added_at, f.id))))
