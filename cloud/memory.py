"""Everything outside, inside the process: for dry runs and tests.

Each passes the laws of the port that it stands for. Threads may share them.
"""

import threading
from collections.abc import Collection, Mapping, Sequence

from cloud.answer import answer_topic
from cloud.register import Change, ConflictError, EnrolledFace, EnrolledPerson
from cloud.sightings import Listing, Page, Sighting, check_limit, seen_of
from sightline.errors import ImageError, MissingError
from sightline.messages import FrameRecognized, FrameRejected, encode


class MemoryFrames:
    """See `cloud.fetching.FrameStore`."""

    def __init__(
        self, objects: Mapping[str, bytes] | None = None, *, max_bytes: int = 20_000_000
    ) -> None:
        self._objects = dict(objects or {})
        self._max_bytes = max_bytes

    def put(self, key: str, data: bytes) -> None:
        """Store a frame's file, as a device does."""
        self._objects[key] = data

    def get(self, key: str) -> bytes:
        """See `FrameStore.get`."""
        try:
            data = self._objects[key]
        except KeyError as err:
            raise MissingError(f"there is no object {key!r}") from err
        if len(data) > self._max_bytes:
            raise ImageError(
                f"the object has {len(data)} bytes; at most {self._max_bytes} are read",
                reason="too_large",
            )
        return data


class MemoryRegister:
    """See `cloud.register.Register`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._version = 0
        self._people: dict[str, EnrolledPerson] = {}
        self._faces: dict[tuple[str, str], EnrolledFace] = {}

    def version(self) -> int:
        """See `RegisterReader.version`."""
        return self._version

    def people(self, ids: Collection[str] | None = None) -> Mapping[str, EnrolledPerson]:
        """See `RegisterReader.people`."""
        with self._lock:
            return {id_: p for id_, p in self._people.items() if ids is None or id_ in ids}

    def faces(self, person_id: str | None = None) -> Sequence[EnrolledFace]:
        """See `RegisterReader.faces`."""
        with self._lock:
            faces = self._faces.values()
            return [face for face in faces if person_id in (None, face.person_id)]

    def write(self, change: Change) -> None:
        """See `Register.write`."""
        with self._lock:
            there = self._people.get(change.person_id)
            if change.expected != (there.revision if there else None):
                raise ConflictError(f"{change.person_id} was changed by somebody else; try again")
            if change.person is None:
                self._people.pop(change.person_id, None)
            else:
                self._people[change.person_id] = change.person
            for face_id in change.removed:
                self._faces.pop((change.person_id, face_id), None)
            for face in change.added:
                self._faces[face.person_id, face.id] = face
            self._version += 1


class MemorySightings:
    """See `cloud.sightings.Sightings`, and `SightingsReader` there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], Sighting] = {}

    def find(self, device: str, frame_id: str) -> FrameRecognized | None:
        """See `Sightings.find`."""
        with self._lock:
            sighting = self._kept.get((device, frame_id))
        return None if sighting is None else sighting.result

    def keep(self, sighting: Sighting) -> FrameRecognized | None:
        """See `Sightings.keep`."""
        key = sighting.result.device, sighting.result.frame_id
        with self._lock:
            before = self._kept.get(key)
            if before is None:
                self._kept[key] = sighting
        return None if before is None else before.result

    def keep_all(self, sightings: Sequence[Sighting]) -> Sequence[FrameRecognized | None]:
        """See `Sightings.keep_all`."""
        return [self.keep(sighting) for sighting in sightings]

    def page(self, listing: Listing, *, limit: int = 100, cursor: str | None = None) -> Page:
        """See `SightingsReader.page`."""
        after = None if cursor is None else listing.place(cursor)
        check_limit(limit)
        with self._lock:
            places = {
                (seen_of(sighting.result), sighting.result.device): sighting.result
                for sighting in self._kept.values()
                if _is_in(listing, sighting)
            }
        order = sorted(places, reverse=listing.newest_first)
        if after is not None:
            order = [p for p in order if (p < after if listing.newest_first else p > after)]
        some = order[:limit]
        return Page(
            results=tuple(places[place] for place in some),
            cursor=listing.cursor(*some[-1]) if len(order) > limit else None,
        )


def _is_in(listing: Listing, sighting: Sighting) -> bool:
    has_person = listing.person is None or any(p.id == listing.person for p in sighting.people())
    result = sighting.result
    return has_person and listing.holds_device(result.device) and listing.holds(result)


class MemoryResults:
    """See `cloud.recognition.Results`."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []  # topic, payload

    def publish(self, message: FrameRecognized | FrameRejected) -> None:
        """See `Results.publish`."""
        self.sent.append((answer_topic(message), encode(message)))
