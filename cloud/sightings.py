"""Sightings: the answer that was given to each frame, kept so that it is given only once.

A reference may come twice (MQTT's QoS 1, Lambda's retries, a device that lost its memory). The
second time the first answer is sent again; a new one would cost a recognition, and could differ.
A frame is the same if device and frame_id are, whatever else its reference says.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from sightline.errors import MessageError
from sightline.messages import FrameRecognized, Person
from sightline.wire import write_time

MAX_PAGE = 1000

_LATEST = "9999-12-31T23:59:59Z$"  # sorts after every time


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
        return seen_of(self.result)

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

    def keep_all(self, sightings: Sequence[Sighting]) -> Sequence[FrameRecognized | None]:
        """Do as `keep` does for each of *sightings*, in fewer requests; give each one's answer.

        Raises:
            TransportError: The store did not answer; some of them may be kept.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some sightings, and where the next ones begin."""

    results: tuple[FrameRecognized, ...]
    cursor: str | None  # None: there are no more


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One list of sightings, whichever page of it is asked for.

    It is of a device, or of a person, or of that person at that device. Of *since* and *until* the
    first counts in, and the second does not.

    Raises:
        MessageError: It is of neither.
    """

    device: str | None = None
    person: str | None = None  # their id
    since: datetime | None = None
    until: datetime | None = None
    newest_first: bool = True

    def __post_init__(self) -> None:
        if self.device is None and self.person is None:
            raise MessageError("give a device, a person, or both")

    @property
    def least(self) -> str:
        """What sorts before all keys of the list; some that are not in it sort behind."""
        return "0" if self.since is None else _second(self.since)

    @property
    def most(self) -> str:
        """What sorts after all keys of the list; some that are not in it sort before."""
        try:
            return _LATEST if self.until is None else _second(self.until + timedelta(seconds=1))
        except OverflowError:
            return _LATEST

    def holds(self, result: FrameRecognized) -> bool:
        """Tell whether *result* is within the times."""
        at = result.captured_at
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)

    def holds_device(self, device: str) -> bool:
        """Tell whether what *device* saw may be in the list."""
        return self.device in (None, device)

    def cursor(self, seen: str, device: str) -> str:
        """Write the cursor of whatever comes after a row's *seen* and *device*."""
        said = json.dumps([*self._which, seen, device], separators=(",", ":"))
        return urlsafe_b64encode(said.encode()).decode().rstrip("=")

    def place(self, cursor: str) -> tuple[str, str]:
        """Read the row's *seen* and *device* that `cursor` wrote.

        Raises:
            MessageError: It is not that of a page of this list.
        """
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            *which, seen, device = json.loads(urlsafe_b64decode(padded))
            are_keys = which == self._which and _is_key(seen) and _is_key(device)
            if are_keys and self.least <= seen <= self.most:
                return seen, device
        except (ValueError, TypeError, KeyError, RecursionError):
            pass
        raise MessageError(f"cursor: {cursor[:60]!r} is not that of a page of these; begin anew")

    @property
    def _which(self) -> list[object]:
        return [self.device, self.person, self.newest_first]


class SightingsReader(Protocol):
    """Lists sightings, page by page; whatever keeps them does."""

    def page(self, listing: Listing, *, limit: int = 100, cursor: str | None = None) -> Page:
        """Read the page of a list that begins at *cursor*, or its first.

        A page has *limit* sightings, or fewer if it is the last. One of a person at a device may
        have fewer, or none, and others come after it.

        What was kept is in a device's list at once, and may be in a person's a moment later.

        Raises:
            MessageError: The cursor is not that of a page of this list, or *limit* is not from 1
                to MAX_PAGE.
            TransportError: The store did not answer.
        """
        ...


def check_limit(limit: int) -> int:
    """Return *limit*, if pages can have that size.

    Raises:
        MessageError: They cannot.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise MessageError(f"limit: {limit} is not from 1 to {MAX_PAGE}")
    return limit


def _is_key(part: object) -> bool:
    """Tell whether *part* can be in a row's key; DynamoDB takes up to 1024 bytes there."""
    return isinstance(part, str) and part.isascii() and 0 < len(part) <= 1024


def _second(at: datetime) -> str:
    """Write what sorts before all keys within the second of *at*.

    Keys hold times to the millisecond or to the microsecond, which do not sort among each other.
    """
    return at.astimezone(UTC).isoformat(timespec="seconds")[:19]


def seen_of(result: FrameRecognized) -> str:
    """Write the key by which one device's sightings are sorted; see `Sighting.seen`."""
    return f"{write_time(result.captured_at)}#{result.frame_id}"
