"""The gallery in the worker's memory: read once, and again when its version has changed.

Each frame costs one small consistent read of the version, and so a person added is recognised by
the next frame, while embeddings travel only when there is something new.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from cloud.register import EnrolledFace, EnrolledPerson, RegisterReader
from sightline.faces.matcher import Gallery

log = logging.getLogger(__name__)

_READS = 3  # of a register that keeps changing meanwhile; then the last is taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """Who is enrolled, as of one version: the embeddings, and the people they belong to."""

    gallery: Gallery
    people: Mapping[str, EnrolledPerson]


class GalleryCache:
    """Keeps what was read last, for one engine."""

    def __init__(self, register: RegisterReader, *, engine: str, dimension: int) -> None:
        self._register = register
        self._engine = engine
        self._dimension = dimension
        self._enrolled: Enrolled | None = None
        self._warned: set[str] = set()

    def current(self) -> Enrolled:
        """Return who is enrolled now.

        Raises:
            TransportError: The register did not answer.
        """
        version = self._register.version()
        if self._enrolled is None or self._enrolled.gallery.version != version:
            self._enrolled = self._read(version)
        return self._enrolled

    def _read(self, version: int) -> Enrolled:
        for _ in range(_READS):
            faces = self._register.faces()
            people = self._register.people({face.person_id for face in faces})
            before, version = version, self._register.version()
            if before == version:
                break
        else:
            # Named after the version before the read, so that the next frame reads again.
            version = before
        usable = [face for face in faces if face.person_id in people and self._fits(face)]
        log.info("gallery %d: %d faces of %d people", version, len(usable), len(people))
        return Enrolled(gallery=self._gallery(version, usable), people=people)

    def _gallery(self, version: int, faces: Iterable[EnrolledFace]) -> Gallery:
        return gallery_of(faces, version=version, engine=self._engine, dimension=self._dimension)

    def _fits(self, face: EnrolledFace) -> bool:
        if face.engine != self._engine:
            if face.engine not in self._warned:
                self._warned.add(face.engine)
                log.warning(
                    "faces enrolled with the engine %s are left out: this function's is %s;"
                    " enrol their photos again",
                    face.engine,
                    self._engine,
                )
            return False
        if face.embedding.shape != (self._dimension,) or not np.isfinite(face.embedding).all():
            log.warning("face %s of %s is damaged and left out", face.id, face.person_id)
            return False
        return True


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
