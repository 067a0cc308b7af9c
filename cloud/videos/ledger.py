"""The ledger of videos: one row a name, and a marker for each chunk of stills that is done.

Everything that several functions at once decide about a video is decided here, by writing its row
only if it is still the one that was read. A newer upload under a name takes the row over; whoever
works on the older one learns it at the next write, and drops what they have.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from cloud.dynamo import pause_s
from cloud.videos import succession
from cloud.videos.video import Video
from sightline.errors import TransportError
from sightline.messages import RejectedReason

ATTEMPTS = 10  # at a row that others keep changing


class ConflictError(Exception):
    """Somebody else has changed the row meanwhile. Never leaves this package."""


class MarkedError(Exception):
    """The chunk is done already. Never leaves this package."""


class SupersededError(Exception):
    """A newer upload has the name: there is nothing left to do. Never leaves this package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A still that could not be recognised, and why."""

    number: int
    offset_ms: int
    reason: RejectedReason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """Says that a chunk is done: all of its stills were answered, or rejected."""

    chunk: int  # from 1
    stills: int
    rejections: tuple[Rejection, ...] = ()


class VideoReader(Protocol):
    """Tells how far a video is; a `Ledger` does."""

    def find(self, name: str) -> Video | None:
        """Look up the newest upload under *name*.

        Raises:
            TransportError: The ledger did not answer.
        """
        ...


class Ledger(VideoReader, Protocol):
    """Keeps videos and markers.

    `cloud.videos.ledger_table.LedgerTable` keeps them in DynamoDB, and
    `cloud.videos.memory.MemoryLedger` in the process. Both pass the same laws.
    """

    def write(self, video: Video, *, expected: int | None, marker: Marker | None = None) -> None:
        """Write *video*, and *marker* with it or not at all.

        Args:
            video: What is to stand there.
            expected: The revision that must stand there now; None: there must be none.
            marker: A chunk of that job, which must not be there yet.

        Raises:
            ConflictError: Another revision stands there.
            MarkedError: The marker is there already.
            TransportError: The ledger did not answer.
        """
        ...

    def markers(self, video: Video) -> Iterator[Marker]:
        """Go through the chunks of *video* that are done, in the order of the film."""
        ...

    def unchanged_since(self, at: datetime) -> Iterator[str]:
        """Name the open videos that have not changed since *at*, the oldest first.

        It may name one that has changed in this moment.
        """
        ...

    def last_served(self, since: datetime) -> Video | None:
        """Return a video of whose stills some were answered since *since*.

        That is the one that was done last, else any that is open; None: nothing was answered. It
        may be as it was a moment ago.
        """
        ...


def begin(
    ledger: Ledger, video: Video, *, taking_from: Callable[[Video], None] = lambda _: None
) -> Video:
    """Enter a new upload, and return how far it is: further, if its event came before.

    Args:
        ledger: Where.
        video: The upload; that it is a film is known if it has one.
        taking_from: Is told who has the row before they lose it; it may be called several times.

    Raises:
        SupersededError: A newer one has the name.
        TakenError: Another file has the name, and whether *video* is a film is not known.
        TransportError: The ledger did not answer.
    """
    for attempt in range(ATTEMPTS):
        before = ledger.find(video.name)
        if before is not None and before.job == video.job:
            return before
        if before is not None:
            if not succession.follows(video, before):
                raise SupersededError(f"a newer upload has the name {video.name!r}")
            taking_from(before)
        entered = succession.entered(video, before)
        try:
            ledger.write(entered, expected=before.revision if before else None)
        except ConflictError:
            _wait(attempt)
            continue
        return entered
    raise _too_many(video.name)


def change(
    ledger: Ledger,
    video: Video,
    transition: Callable[[Video], Video],
    *,
    marker: Marker | None = None,
) -> Video:
    """Apply *transition* to the row as it stands, again until nobody is in the way.

    Args:
        ledger: Where.
        video: Any state of the upload that is meant.
        transition: What changes; it may be applied several times, and the last counts.
        marker: What is written with it.

    Returns:
        The row as it stands then.

    Raises:
        SupersededError: A newer upload has the name.
        MarkedError: The marker was there already.
        TransportError: The ledger did not answer, or others always were in the way.
    """
    for attempt in range(ATTEMPTS):
        stands = current(ledger, video)
        changed = transition(stands)
        if changed == stands and marker is None:
            return stands
        changed = replace(changed, revision=stands.revision + 1)
        try:
            ledger.write(changed, expected=stands.revision, marker=marker)
        except ConflictError:
            _wait(attempt)
            continue
        return changed
    raise _too_many(video.name)


def current(ledger: Ledger, video: Video) -> Video:
    """Return the row of *video* as it stands.

    Raises:
        SupersededError: A newer upload has the name, or the row is forgotten.
        TransportError: The ledger did not answer.
    """
    stands = ledger.find(video.name)
    if stands is None or stands.job != video.job:
        raise SupersededError(f"a newer upload has the name {video.name!r}")
    return stands


def _wait(attempt: int) -> None:
    if attempt:  # the first time, who was in the way has just done what they wanted
        time.sleep(pause_s(attempt - 1))


def _too_many(name: str) -> TransportError:
    return TransportError(f"too many others change the row of the video {name!r}; try again")
