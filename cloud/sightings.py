"""Sightings: the answer that was given to each frame, kept so that it is given only once.

A reference may come twice (MQTT's QoS 1, Lambda's retries, a device that lost its memory). The
second time the first answer is sent again; a new one would cost a recognition, and could differ.
A frame is the same if device and frame_id are, whatever else its reference says.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sightline.messages import FrameRecognized, Person
from sightline.wire import write_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One frame's answer, and until when it is kept."""

    result: FrameRecognized
    expires_at: datetime

    @property
    def seen(self) -> str:
        """`<captured_at>#<frame_id>`, the key that sorts one device's sightings as they were seen.

        Neither part can hold a `#`.
        """
        return f"{write_time(self.result.captured_at)}#{self.result.frame_id}"

    def people(self) -> Iterator[Person]:
        """Name everybody known in the frame; each is in it once."""
        for face in self.result.faces:
            if face.person is not None:
                yield face.person


class Sightings(Protocol):
    """Keeps sightings.

    `cloud.sightings_table.SightingsTable` keeps them in DynamoDB, `cloud.memory.MemorySightings` in
    the process. Both pass the same laws.
    """

    def find(self, device: str, frame_id: str) -> FrameRecognized | None:
        """Look up the answer given to a frame before; what was kept is found at once.

        Raises:
            TransportError: The store did not answer.
        """
        ...

    def keep(self, sighting: Sighting) -> FrameRecognized | None:
        """Keep *sighting*, unless that frame has an answer already: then return that one.

        Raises:
            TransportError: The store did not answer.
        """
        ...
