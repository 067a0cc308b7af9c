"""The gallery in the worker's memory: read once, then only what has changed.

Each frame costs one small consistent read of the version, and so a person added is recognised by
the next frame, while embeddings travel only when there is something new. What is new is told from
the people's rows: whatever changes somebody's faces counts their revision up with it.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cloud.register import EnrolledFace, EnrolledPerson, RegisterReader
from sightline.faces.gallery_file import GalleryFileError, open_gallery, write_gallery
from sightline.faces.gallery_index import GalleryIndex
from sightline.faces.gallery_part import LARGEST, Run
from sightline.faces.matcher import Gallery
from sightline.wire import write_time

log = logging.getLogger(__name__)

_READS = 3  # of a register that keeps changing meanwhile; then the last is taken
_FEW = 50  # people whose faces are asked for one by one; of more, all faces are read


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """Who is enrolled, as of one version: the embeddings, and the people they belong to."""

    gallery: GalleryIndex
    people: Mapping[str, EnrolledPerson]


class GalleryCache:
    """Keeps what was read last, for one engine."""

    def __init__(
        self,
        register: RegisterReader,
        *,
        engine: str,
        dimension: int,
        file: Path | None = None,
        fresh_for_s: float = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read from *register*.

        Args:
            register: Where people are kept.
            engine: Whose embeddings to take.
            dimension: Numbers in one of them.
            file: Where to keep a copy, so that the next process need not read all; None: nowhere.
            fresh_for_s: For how long what was read is taken to be so still. 0: whoever is added is
                known in the next frame. More, where nobody waits, spares a request a frame.
            clock: Seconds that go on evenly.
        """
        self._register = register
        self._engine = engine
        self._dimension = dimension
        self._file = file
        self._fresh_for_s = fresh_for_s
        self._clock = clock
        self._asked_s = -math.inf
        self._enrolled: Enrolled | None = None
        self._marks: Mapping[str, str] = {}  # of everybody, also of those without faces
        self._warned: set[str] = set()

    def current(self) -> Enrolled:
        """Return who is enrolled now.

        Raises:
            TransportError: The register did not answer.
        """
        now_s = self._clock()
        if self._enrolled is not None and now_s - self._asked_s < self._fresh_for_s:
            return self._enrolled
        version = self._register.version()
        if self._enrolled is None or self._enrolled.gallery.version != version:
            self._enrolled = self._read(version)
        self._asked_s = now_s
        return self._enrolled

    def _read(self, version: int) -> Enrolled:
        known, marks = self._known()
        fresh = known is None
        for _ in range(_READS):
            # People before their faces: what changes in between has an old mark, and is read again.
            people = self._register.people()
            now = {id_: _mark(person) for id_, person in people.items()}
            # Named after the version before the read: of a register that never rests, the next
            # frame reads again.
            gallery = self._all(now, version) if known is None else self._since(known, marks, now)
            gallery = known = replace(gallery, version=version)
            marks = now
            before, version = version, self._register.version()
            if before == version:
                break
        log.info("gallery %d: %d faces, %d people", gallery.version, len(gallery), len(people))
        self._marks = marks
        return Enrolled(gallery=self._tidy(gallery, fresh=fresh), people=people)

    def _known(self) -> tuple[GalleryIndex | None, Mapping[str, str]]:
        """Give what was read before, by this process or by an earlier one."""
        if self._enrolled is not None:
            return self._enrolled.gallery, self._marks
        if self._file is None or not self._file.exists():
            return None, {}
        try:
            gallery = open_gallery(self._file, engine=self._engine, dimension=self._dimension)
        except GalleryFileError as err:
            log.warning("the gallery is read from the tables again: %s", err)
            return None, {}
        return gallery, gallery.marks

    def _all(self, marks: Mapping[str, str], version: int) -> GalleryIndex:
        runs = self._runs(self._register.faces(), marks)
        return GalleryIndex.of(
            runs, version=version, engine=self._engine, dimension=self._dimension
        )

    def _since(
        self, known: GalleryIndex, marks: Mapping[str, str], now: Mapping[str, str]
    ) -> GalleryIndex:
        """Read the faces of whoever is not as they were."""
        stale = {id_: mark for id_, mark in now.items() if marks.get(id_) != mark}
        if len(stale) > _FEW:
            faces: Iterable[EnrolledFace] = self._register.faces()
        else:
            faces = [face for id_ in stale for face in self._register.faces(id_)]
        gone = [(id_, "", self._stacked([])) for id_ in marks.keys() - now.keys()]
        if gone and self._file is not None:
            self._file.unlink(missing_ok=True)  # it still holds faces that are to be forgotten
        return known.changed([*self._runs(faces, stale), *gone], version=known.version)

    def _runs(self, faces: Iterable[EnrolledFace], marks: Mapping[str, str]) -> list[Run]:
        """Gather the usable *faces* of the people that *marks* has; they may have none."""
        own: dict[str, list[EnrolledFace]] = {id_: [] for id_ in marks}
        for face in faces:
            if face.person_id in own and self._fits(face):
                own[face.person_id].append(face)
        return [(id_, marks[id_], self._stacked(theirs)) for id_, theirs in own.items()]

    def _stacked(self, faces: list[EnrolledFace]) -> NDArray[np.float32]:
        if not faces:
            return np.empty((0, self._dimension), np.float32)
        return np.stack([face.embedding for face in faces]).astype(np.float32)

    def _tidy(self, gallery: GalleryIndex, *, fresh: bool) -> GalleryIndex:
        """Put it in one piece again, and into the file, when that is worth while."""
        if not (fresh or gallery.worth_compacting):
            return gallery
        if self._file is not None:
            try:
                write_gallery(gallery, self._file)
                return open_gallery(self._file, engine=self._engine, dimension=self._dimension)
            except GalleryFileError as err:
                log.warning("the gallery is kept in memory alone: %s", err)
        return gallery if fresh else gallery.compacted()

    def _fits(self, face: EnrolledFace) -> bool:
        if face.engine != self._engine:
            if face.engine not in self._warned:
                self._warned.add(face.engine)
                log.warning(
                    "faces enrolled with the engine %s are left out: this function's is %s;"
                    " embed them anew with `people re-embed` from kept photos, or enrol them again",
                    face.engine,
                    self._engine,
                )
            return False
        numbers = face.embedding
        if numbers.shape != (self._dimension,) or not (np.abs(numbers) < LARGEST).all():
            log.warning("face %s of %s is damaged and left out", face.id, face.person_id)
            return False
        return True


def _mark(person: EnrolledPerson) -> str:
    """Tell one state of somebody from another: somebody of the same id may come after them."""
    return f"{person.revision} {write_time(person.created_at)}"


def gallery_of(
    faces: Iterable[EnrolledFace], *, version: int, engine: str, dimension: int
) -> Gallery:
    """Stack *faces*, all of that engine, into a gallery: a row a face."""
    rows = list(faces)
    embeddings = (
        np.stack([face.embedding for face in rows]).astype(np.float32)
        if rows
        else np.zeros((0, dimension), np.float32)
    )
    return Gallery(
        version=version,
        engine=engine,
        embeddings=embeddings,
        person_ids=tuple(face.person_id for face in rows),
    )
