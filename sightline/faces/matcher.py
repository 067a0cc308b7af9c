"""Whose face it is: embeddings compared with those of the people enrolled."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Decision = Literal["known", "unknown", "unsure"]
Embeddings = NDArray[np.float32]  # (n, d)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """Who is nearest to a face, and how far off the next person is."""

    person_id: str  # of equals, whoever was enrolled first
    distance: float
    next_distance: float | None  # to the nearest of anybody else; None if there is nobody else


class Searchable(Protocol):
    """Whom faces are compared with.

    `Gallery` keeps everybody's embeddings as they are, which is plain, and soon enough for some
    thousand; `sightline.faces.gallery_index.GalleryIndex` is for any number of people.
    """

    @property
    def dimension(self) -> int:
        """Numbers in an embedding."""
        ...

    def nearest(self, probes: Embeddings) -> Sequence[Nearest | None]:
        """Find the person nearest to each of *probes* (m, d); None if there is nobody.

        A person is as near as the nearest of their embeddings.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gallery:
    """Everybody enrolled, as one version of the people's tables had them; equal to itself only."""

    version: int
    engine: str  # id of the engine that made the embeddings; those of another are never compared
    embeddings: Embeddings = field(repr=False)  # (n, d) float32, a row per enrolled photograph
    person_ids: tuple[str, ...] = field(repr=False)  # n, one a row; a person may have several
    # Rows sorted by person, in double precision: differences of squares lose half the digits.
    _rows: NDArray[np.float64] = field(init=False, repr=False)
    _squares: NDArray[np.float64] = field(init=False, repr=False)  # (n,) of _rows
    _starts: NDArray[np.intp] = field(init=False, repr=False)  # (people,) in _rows
    _people: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.embeddings.ndim != 2 or self.embeddings.dtype != np.float32:
            found = f"{self.embeddings.dtype} {self.embeddings.shape}"
            raise ValueError(f"embeddings are {found}, not float32 (n, d)")
        if len(self.embeddings) != len(self.person_ids):
            raise ValueError(f"{len(self.embeddings)} embeddings of {len(self.person_ids)} people")
        if not np.isfinite(self.embeddings).all():
            raise ValueError("an embedding holds what is no number")
        own = self.embeddings.copy()
        own.flags.writeable = False
        object.__setattr__(self, "embeddings", own)
        first = {person: i for i, person in reversed(list(enumerate(self.person_ids)))}
        people = sorted(first, key=first.__getitem__)  # in the order of their first rows
        place = {person: i for i, person in enumerate(people)}
        places = np.array([place[person] for person in self.person_ids], dtype=np.intp)
        order = np.argsort(places, kind="stable")
        _, starts = np.unique(places[order], return_index=True)
        rows = self.embeddings[order].astype(np.float64)
        object.__setattr__(self, "_rows", rows)
        object.__setattr__(self, "_squares", (rows**2).sum(axis=1))
        object.__setattr__(self, "_starts", starts)
        object.__setattr__(self, "_people", tuple(people))

    def __len__(self) -> int:
        return len(self.person_ids)

    @property
    def people(self) -> tuple[str, ...]:
        """Each person once, in the order of their first rows."""
        return self._people

    @property
    def dimension(self) -> int:
        """Numbers in an embedding."""
        return int(self.embeddings.shape[1])

    def nearest(self, probes: Embeddings) -> list[Nearest | None]:
        """See `Searchable.nearest`."""
        return [self._nearest(row) for row in self.distances(probes)]

    def distances(self, probes: Embeddings) -> NDArray[np.float64]:
        """Euclidean distances from *probes* (m, d) to each of `people`: (m, people).

        A person is as near as the nearest of their rows.
        """
        if not self._people:
            return np.empty((len(probes), 0))
        p = probes.astype(np.float64)
        squares = (p**2).sum(axis=1)[:, None] + self._squares - 2 * (p @ self._rows.T)
        nearest: NDArray[np.float64] = np.minimum.reduceat(squares, self._starts, axis=1)
        return np.sqrt(np.maximum(nearest, 0))

    def _nearest(self, distances: NDArray[np.float64]) -> Nearest | None:
        if not len(distances):
            return None
        best = int(distances.argmin())
        others = np.delete(distances, best)
        return Nearest(
            person_id=self._people[best],
            distance=float(distances[best]),
            next_distance=float(others.min()) if len(others) else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What comparing one face gave."""

    decision: Decision
    person_id: str | None  # of a known face only: a doubtful name is no name
    distance: float | None  # to the nearest person; None if nobody is enrolled
    margin: float | None  # how much farther the next person is; None if there is no other


def match(
    probes: Embeddings,
    gallery: Searchable,
    *,
    threshold: float,
    margin: float,
    doubt: float = 0.0,
) -> list[Match]:
    """Decide on all faces of one frame.

    A face is known if it is nearer to somebody than *threshold*, and nearer than to anybody else
    by at least *margin*. Nobody is in a frame twice: of several faces known as the same person,
    the nearest (of equals, the first) is, and the others are unsure.

    Args:
        probes: (m, d) float32, of one frame and of the gallery's engine.
        gallery: Whom to compare them with.
        threshold: The least distance of a face that is not known.
        margin: The least lead over the next person.
        doubt: A face less than this beyond the threshold is unsure, not unknown.

    Returns:
        m decisions, in the order of *probes*.

    Raises:
        ValueError: *probes* are not (m, d) for the gallery's d, or hold what is no number.
    """
    if probes.ndim != 2 or not np.isfinite(probes).all():
        raise ValueError(f"probes of {probes.shape} are no embeddings")
    if probes.shape[1] != gallery.dimension:
        raise ValueError(
            f"probes have {probes.shape[1]} numbers, the gallery's {gallery.dimension}"
        )
    return _once_each(
        [_alone(nearest, threshold, margin, doubt) for nearest in gallery.nearest(probes)]
    )


def _nobody() -> Match:
    return Match(decision="unknown", person_id=None, distance=None, margin=None)


def _alone(nearest: Nearest | None, threshold: float, margin: float, doubt: float) -> Match:
    """The decision on one face, whatever else is in the frame."""
    if nearest is None:
        return _nobody()
    distance, next_ = nearest.distance, nearest.next_distance
    lead = None if next_ is None else next_ - distance
    decision: Decision
    if distance >= threshold:
        decision = "unsure" if distance < threshold + doubt else "unknown"
    elif lead is not None and lead < margin:
        decision = "unsure"
    else:
        decision = "known"
    person = nearest.person_id if decision == "known" else None
    return Match(decision=decision, person_id=person, distance=distance, margin=lead)


def _once_each(matches: list[Match]) -> list[Match]:
    nearest: dict[str, Match] = {}
    for found in matches:
        if found.person_id is not None and found.distance is not None:
            before = nearest.get(found.person_id)
            if before is None or before.distance is None or found.distance < before.distance:
                nearest[found.person_id] = found
    return [
        found
        if found.person_id is None or nearest[found.person_id] is found
        else Match(decision="unsure", person_id=None, distance=found.distance, margin=found.margin)
        for found in matches
    ]
