"""Who is enrolled, looked up by id or name; read once, and kept up with what is written since."""

from collections.abc import Mapping

from cloud.names import likeness
from cloud.register import EnrolledPerson
from sightline.errors import ConfigError


class Directory:
    """People by id and by likeness of name."""

    def __init__(self, people: Mapping[str, EnrolledPerson]) -> None:
        """Begin with *people*, by id."""
        self._people: dict[str, EnrolledPerson] = {}
        self._alike: dict[str, set[str]] = {}  # a name's likeness -> ids
        for person in people.values():
            self.note(person)

    def note(self, person: EnrolledPerson) -> None:
        """Take up somebody new, or as they are now."""
        before = self._people.get(person.id)
        if before is not None:
            self._alike[likeness(before.name)].discard(person.id)
        self._people[person.id] = person
        self._alike.setdefault(likeness(person.name), set()).add(person.id)

    def get(self, person_id: str) -> EnrolledPerson | None:
        """Return whoever has that id."""
        return self._people.get(person_id)

    def find(self, name: str) -> tuple[EnrolledPerson, ...]:
        """Return all whose id or name is *name*, whatever its case, accents and punctuation."""
        wanted = likeness(name)
        ids = self._alike.get(wanted, set()) | ({wanted} & self._people.keys())
        return tuple(self._people[id_] for id_ in sorted(ids))

    def the_one(self, name: str) -> EnrolledPerson | None:
        """Return the one whose id or name that is, if anybody's.

        Raises:
            ConfigError: Several people's.
        """
        found = self.find(name)
        if len(found) > 1:
            ids = ", ".join(person.id for person in found)
            raise ConfigError(f"{name!r} may be {ids}; give the record an id")
        return found[0] if found else None
