"""Photos to faces: what each photo of a person gave, or why it was refused.

A face is enrolled through the very code that recognises it later, so that both see it alike.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol
from uuid import uuid4

import numpy as np

from cloud.gallery import gallery_of
from cloud.register import EnrolledFace, RegisterReader
from cloud.seeing import EngineFacts, Recognizer
from sightline.errors import ImageError, UnreadableReason

if TYPE_CHECKING:
    from sightline.faces.recognizer import SeenFace

MAX_PHOTO_BYTES = 20_000_000

RefusedReason = (
    UnreadableReason
    | Literal[
        "no_face", "several_faces", "too_small", "blurred", "already_enrolled", "like_another"
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """An image file's bytes, and the name that the report calls it by."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one photo; accepted if it has no reason against it."""

    photo: str
    reason: RefusedReason | None = None
    detail: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the photo's face is enrolled."""
        return self.reason is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """The faces to enrol, and one outcome a photo in the photos' order."""

    faces: tuple[EnrolledFace, ...]
    outcomes: tuple[Outcome, ...]


class Examiner(Protocol):
    """Turns photos into faces; `Enrolment` does it for real."""

    def examine(self, person_id: str, photos: Iterable[Photo], *, force: bool = False) -> Examined:
        """Look at each of *photos*, and say what it gave."""
        ...


class RefusedError(Exception):
    """A photo cannot be enrolled. Never leaves this module."""

    def __init__(self, reason: RefusedReason, detail: str):
        super().__init__(detail)
        self.reason: RefusedReason = reason


class Enrolment:
    """Examines photos against who is enrolled already."""

    def __init__(
        self,
        *,
        recognizer: Recognizer,
        engine: EngineFacts,
        register: RegisterReader,
        now: Callable[[], datetime],
    ) -> None:
        self._recognizer = recognizer
        self._engine = engine
        self._register = register
        self._now = now

    def examine(self, person_id: str, photos: Iterable[Photo], *, force: bool = False) -> Examined:
        """Look at each of *photos*, one in memory at a time.

        Args:
            force: Take a face although it looks like somebody else's who is enrolled.

        Raises:
            TransportError: The register did not answer.
        """
        everybody = [f for f in self._register.faces() if f.engine == self._engine.id]
        own = [face for face in everybody if face.person_id == person_id]
        others = () if force else [face for face in everybody if face.person_id != person_id]
        taken: list[EnrolledFace] = []
        outcomes = []
        for photo in photos:
            try:
                face = self._examine(person_id, photo, [*own, *taken])
                self._check_others(face, others)
            except RefusedError as err:
                outcomes.append(Outcome(photo=photo.name, reason=err.reason, detail=str(err)))
            else:
                taken.append(face)
                outcomes.append(Outcome(photo=photo.name))
        return Examined(faces=tuple(taken), outcomes=tuple(outcomes))

    def _examine(self, person_id: str, photo: Photo, known: Sequence[EnrolledFace]) -> EnrolledFace:
        # Here, since `people list` comes by this module too, and should not wait for OpenCV.
        from sightline.faces.image import decode

        if len(photo.data) > MAX_PHOTO_BYTES:
            raise RefusedError("too_large", f"the file has over {MAX_PHOTO_BYTES} bytes")
        digest = hashlib.sha256(photo.data).hexdigest()
        if any(face.photo_sha256 == digest for face in known):
            raise RefusedError("already_enrolled", "the same file is enrolled already")
        try:
            seen = the_face(self._recognizer.see(decode(photo.data)).faces)
        except ImageError as err:
            raise RefusedError(err.reason, str(err)) from err
        if seen.embedding is None:
            raise RefusedError("blurred", "the face could not be embedded; give a clearer photo")
        return EnrolledFace(
            person_id=person_id,
            id=str(uuid4()),
            engine=self._engine.id,
            embedding=np.asarray(seen.embedding, np.float32),
            photo_sha256=digest,
            side_px=float(seen.quality.side_px),
            sharpness=seen.quality.sharpness or 0.0,
            added_at=self._now(),
        )

    def _check_others(self, face: EnrolledFace, others: Sequence[EnrolledFace]) -> None:
        engine = self._engine
        gallery = gallery_of(others, version=0, engine=engine.id, dimension=engine.dimension)
        if not gallery.people:
            return
        [distances] = gallery.distances(face.embedding[np.newaxis])
        nearest = int(distances.argmin())
        if distances[nearest] < engine.threshold:
            who = gallery.people[nearest]
            raise RefusedError(
                "like_another",
                f"looks like {who}, who is enrolled (distance {distances[nearest]:.2f},"
                f" threshold {engine.threshold}); add it to {who}, or force it",
            )


def the_face(faces: "Sequence[SeenFace]") -> "SeenFace":
    """Return the one face of a photo that can be enrolled.

    A bystander too small to be judged does not count beside one that is not.

    Raises:
        RefusedError: There is none, or more than one.
    """
    if not faces:
        raise RefusedError("no_face", "no face was found")
    usable = [face for face in faces if face.quality.verdict != "too_small"]
    if len(usable) > 1:
        raise RefusedError(
            "several_faces", f"{len(usable)} faces were found; cut the photo to one person"
        )
    if not usable:
        side = max(face.quality.side_px for face in faces)
        raise RefusedError("too_small", f"the face is only {side:.0f} px wide; give a larger photo")
    [face] = usable
    if face.quality.verdict == "blurred":
        raise RefusedError(
            "blurred",
            f"the face is blurred (sharpness {face.quality.sharpness or 0:.2g});"
            " give a sharper photo",
        )
    return face
