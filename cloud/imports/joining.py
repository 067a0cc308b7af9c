"""Imported embeddings and the people they are of.

The file's names find people as everything else does, by likeness; whoever is not there is enrolled.
Each vector is held against everybody else's faces, as a photo is. The digest of the vector takes
the place of the photo's, so that the same file again adds nothing.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from cloud.imports.named_vectors import NamedVectors
from cloud.names import likeness
from cloud.people import People
from cloud.people_directory import Directory
from cloud.register import EnrolledFace
from cloud.seeing import EngineFacts
from sightline.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What came of the vectors under one name."""

    name: str  # as enrolled, or as in the file
    person_id: str | None  # None: nobody has it, and nobody was enrolled
    is_new: bool = False
    added: int = 0
    already: int = 0  # enrolled before, or twice in the file
    refused: tuple[str, ...] = ()  # why, one each

    def __post_init__(self) -> None:
        if min(self.added, self.already) < 0 or (self.added and self.person_id is None):
            raise ValueError(f"{self.added} vectors added to {self.person_id}")


class Joining:
    """Enrols embeddings of one engine."""

    def __init__(
        self,
        people: People,
        engine: EngineFacts,
        *,
        now: Callable[[], datetime],
        force: bool = False,
    ) -> None:
        """Enrol into *people*.

        Args:
            engine: Whose embeddings they are.
            now: The clock.
            force: Take a vector although it is like somebody else's.
        """
        self._people = people
        self._engine = engine
        self._now = now
        self._force = force

    def join(self, given: NamedVectors) -> Iterator[Joined]:
        """Enrol *given*, a person at a time.

        Yields:
            What came of each name, in the file's order.

        Raises:
            ConfigError: They are of another dimension than the engine's.
        """
        dimension = given.vectors.shape[1]
        if dimension != self._engine.dimension:
            raise ConfigError(
                f"the vectors have {dimension} numbers, and {self._engine.id}'s"
                f" {self._engine.dimension}"
            )
        entries = self._people.all()
        # As they were before: whoever is new from this file has but the vectors of their own name.
        directory = Directory({entry.person.id: entry.person for entry in entries})
        faces = [face for entry in entries for face in entry.faces]
        own = [face for face in faces if face.engine == self._engine.id]
        enrolled = _Rows([face for face in own if len(face.embedding) == dimension], given)
        for name, rows in _by_likeness(given).items():
            found = directory.find(name)
            if len(found) > 1:
                ids = ", ".join(person.id for person in found)
                why = f"may be {ids}; put the id into the file instead of the name"
                yield Joined(name=name, person_id=None, refused=(why,) * len(rows))
                continue
            person_id = found[0].id if found else None
            yield self._join_one(name, person_id, given.vectors[rows], enrolled)

    def _join_one(
        self, name: str, person_id: str | None, vectors: NDArray[np.float32], enrolled: "_Rows"
    ) -> Joined:
        digests = [_digest(self._engine.id, vector) for vector in vectors]
        there = enrolled.digests.get(person_id, set()) if person_id else set()
        taken: dict[str, NDArray[np.float32]] = {}
        refused = []
        nearest = enrolled.nearest_other(vectors, person_id)
        for vector, digest, (distance, other) in zip(vectors, digests, nearest, strict=True):
            if digest in there or digest in taken:
                continue
            if other is not None and distance < self._engine.threshold and not self._force:
                refused.append(
                    f"looks like {other}, who is enrolled (distance {distance:.2f}, threshold"
                    f" {self._engine.threshold}); name it so in the file, or --force"
                )
                continue
            taken[digest] = vector
        faces = [self._face(vector, digest) for digest, vector in taken.items()]
        before, added = person_id, len(faces)
        if faces and person_id is None:
            person_id = self._people.add_new(name, faces).id
        elif faces and person_id is not None:
            added = self._people.add_faces(person_id, faces)
        if faces and person_id is not None:
            enrolled.note(person_id, list(taken.values()))
        return Joined(
            name=name,
            person_id=person_id,
            is_new=before != person_id,
            added=added,
            already=len(vectors) - len(refused) - added,
            refused=tuple(refused),
        )

    def _face(self, vector: NDArray[np.float32], digest: str) -> EnrolledFace:
        return EnrolledFace(
            person_id="",
            id=str(uuid4()),
            engine=self._engine.id,
            embedding=vector,
            photo_sha256=digest,
            side_px=0.0,  # nobody knows any more
            sharpness=0.0,
            added_at=self._now(),
        )


class _Rows:
    """All enrolled faces as one matrix with room for those to come."""

    def __init__(self, faces: Sequence[EnrolledFace], coming: NamedVectors) -> None:
        room, dimension = coming.vectors.shape
        self._rows = np.empty((len(faces) + room, dimension))
        self._squares = np.empty(len(self._rows))
        self._owners = np.empty(len(self._rows), np.intp)
        self._ids: dict[str, int] = {}
        self._used = 0
        self.digests: dict[str, set[str]] = {}
        for face in faces:
            self.note(face.person_id, [face.embedding])
            self.digests.setdefault(face.person_id, set()).add(face.photo_sha256)

    def note(self, person_id: str, vectors: Sequence[NDArray[np.float32]]) -> None:
        """Take up faces that are enrolled now."""
        part = slice(self._used, self._used + len(vectors))
        self._rows[part] = vectors
        self._squares[part] = (self._rows[part] ** 2).sum(axis=1)
        self._owners[part] = self._ids.setdefault(person_id, len(self._ids))
        self._used = part.stop

    def nearest_other(
        self, vectors: NDArray[np.float32], person_id: str | None
    ) -> Iterator[tuple[float, str | None]]:
        """Give each vector's distance to the nearest face of anybody else, and whose that is."""
        rows, squares = self._rows[: self._used], self._squares[: self._used]
        own = self._owners[: self._used] == self._ids.get(person_id or "", -1)
        ids = list(self._ids)
        for vector in vectors.astype(np.float64):
            if own.all():
                yield np.inf, None
                continue
            distances = squares + vector @ vector - 2 * (rows @ vector)
            distances[own] = np.inf
            place = int(distances.argmin())
            yield float(np.sqrt(max(distances[place], 0))), ids[self._owners[place]]


def _by_likeness(given: NamedVectors) -> dict[str, list[int]]:
    """Gather the rows of each person, under the first spelling of their name."""
    spelled: dict[str, str] = {}
    rows: dict[str, list[int]] = {}
    for place, name in enumerate(given.names):
        rows.setdefault(spelled.setdefault(likeness(name), name), []).append(place)
    return rows


def _digest(engine: str, vector: NDArray[np.float32]) -> str:
    """Name a vector as a photo is named; of no photo's bytes can it be the digest by chance."""
    return hashlib.sha256(engine.encode() + b"\0" + vector.astype("<f4").tobytes()).hexdigest()
