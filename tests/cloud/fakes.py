"""Stand-ins for the networks: pictures of one colour, and who is in each."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from PIL import Image

from cloud.register import EnrolledFace, EnrolledPerson
from sightline.faces.image import Frame
from sightline.faces.quality import Quality, Verdict
from sightline.faces.recognizer import SeenFace, Sight

NOON = datetime(2026, 11, 21, 12, 0, 0, 512000, tzinfo=UTC)

Colour = tuple[int, int, int]
RED, GREEN, BLUE, WHITE, GREY = (
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 255),
    (90, 90, 90),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeEngine:
    """Four numbers a face; see `cloud.seeing.EngineFacts`."""

    id: str = "fake@1"
    dimension: int = 4
    threshold: float = 0.5
    margin: float = 0.1
    doubt: float = 0.05


class FakeRecognizer:
    """Sees in a picture of one colour the faces that it was told are there."""

    def __init__(self, faces: Mapping[Colour, Sequence[SeenFace]]) -> None:
        self._faces = faces
        self.seen = 0

    def see(self, frame: Frame) -> Sight:
        self.seen += 1
        red, green, blue = (int(value) for value in frame[0, 0])
        faces = tuple(self._faces.get((red, green, blue), ()))
        return Sight(faces=faces, detect_ms=3.0, embed_ms=2.0)


class Clock:
    """A clock that stands until it is told; sleeping moves it on."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += timedelta(seconds=seconds)


class Counted:
    """Remembers what was counted; see `cloud.metrics.Metrics`."""

    def __init__(self) -> None:
        self.written: list[dict[str, float]] = []

    def write(self, values: Mapping[str, float]) -> None:
        self.written.append(dict(values))


def picture(colour: Colour, *, width: int = 64, height: int = 48) -> bytes:
    """Write a PNG of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "PNG")
    return file.getvalue()


def vector(*values: float) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    """Write an embedding."""
    return np.array(values, np.float32)


def seen_face(
    *embedding: float, verdict: Verdict = "good", side_px: float = 90.0, x: int = 10
) -> SeenFace:
    """Describe a face; without an embedding, and with a verdict, one that cannot be judged."""
    return SeenFace(
        box=(x, 5, 20, 25),
        detection=0.99812345,
        landmarks=np.zeros((5, 2), np.float32),
        quality=Quality(verdict=verdict, side_px=side_px, sharpness=250.0),
        embedding=vector(*embedding) if verdict == "good" else None,
    )


def a_person(person_id: str = "ada-lovelace", **changes: object) -> EnrolledPerson:
    """Describe somebody enrolled."""
    given: dict[str, object] = {
        "id": person_id,
        "name": "Ada Lovelace",
        "record": {"major": "Mathematics", "year": 1833, "gpa": 3.9, "tags": [None, True]},
        "created_at": NOON,
        "updated_at": NOON,
    }
    return EnrolledPerson(**{**given, **changes})  # type: ignore[arg-type]


def a_face(
    person_id: str = "ada-lovelace",
    face_id: str = "1",
    embedding: tuple[float, ...] = (1, 0, 0, 0),
    *,
    engine: str = "fake@1",
) -> EnrolledFace:
    """Describe a face of somebody enrolled."""
    return EnrolledFace(
        person_id=person_id,
        id=face_id,
        engine=engine,
        embedding=vector(*embedding),
        photo_sha256=f"digest of {person_id} {face_id}",
        side_px=91.5,
        sharpness=250.25,
        added_at=NOON,
    )
