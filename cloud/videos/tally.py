"""Who is in a video, counted up still by still; of the size of the people, not of the film."""

from collections.abc import Mapping
from dataclasses import dataclass

from cloud.noting import RECOGNIZING
from sightline.messages import Decision, Face, FrameRecognized, Person
from sightline.wire import Json

JUDGED: frozenset[Decision] = frozenset({"known", "unknown", "unsure"})  # large and sharp enough


@dataclass(slots=True, kw_only=True)
class Seen:
    """One person in one video."""

    person: Person  # as the last still had them
    first_ms: int
    last_ms: int
    frames: int
    best_frame: int  # the number of the still with the smallest distance
    smallest_distance: float

    @property
    def record(self) -> Mapping[str, Json]:
        """What is kept about them; empty if it never fitted into an answer."""
        return self.person.record or {}


class Tally:
    """Counts up what stills showed, in any order, each once."""

    def __init__(self) -> None:
        self._people: dict[str, Seen] = {}
        self.frames = 0
        self.has_faces = False
        self.first_judged: int | None = None  # the first still with a face that can be judged
        self.engines: set[str] = set()
        self.galleries: set[int] = set()
        self.recognize_ms = 0.0

    def add(self, number: int, offset_ms: int, result: FrameRecognized) -> None:
        """Count the still *number*."""
        self.frames += 1
        self.engines.add(result.engine)
        self.galleries.add(result.gallery)
        # What stills wait for besides, they wait for side by side.
        self.recognize_ms += sum(result.timings_ms.get(stage, 0.0) for stage in RECOGNIZING)
        self.has_faces = self.has_faces or bool(result.faces)
        if is_judged(result):
            self.first_judged = min(self.first_judged or number, number)
        for face in result.faces:
            if face.person is not None:
                self._see(face, face.person, number, offset_ms)

    def people(self) -> tuple[Seen, ...]:
        """Return everybody known: the most seen first, and of equals who came first."""
        return tuple(
            sorted(
                self._people.values(),
                key=lambda seen: (-seen.frames, seen.first_ms, seen.person.name, seen.person.id),
            )
        )

    def _see(self, face: Face, person: Person, number: int, offset_ms: int) -> None:
        distance = 0.0 if face.distance is None else face.distance
        seen = self._people.get(person.id)
        if seen is None:
            self._people[person.id] = Seen(
                person=person,
                first_ms=offset_ms,
                last_ms=offset_ms,
                frames=1,
                best_frame=number,
                smallest_distance=distance,
            )
            return
        if (distance, number) < (seen.smallest_distance, seen.best_frame):
            seen.smallest_distance, seen.best_frame = distance, number
        if offset_ms >= seen.last_ms and person.record is not None:
            seen.person = person
        seen.first_ms, seen.last_ms = min(seen.first_ms, offset_ms), max(seen.last_ms, offset_ms)
        seen.frames += 1


def is_judged(result: FrameRecognized) -> bool:
    """Tell whether a still has a face that can be judged."""
    return any(face.decision in JUDGED for face in result.faces)
