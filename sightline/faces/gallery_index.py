"""A gallery of any size, that people may join and leave without its being made anew."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from sightline.faces.gallery_part import (
    LARGEST,
    MAX_DIMENSION,
    Embeddings,
    Part,
    Run,
    make_part,
)
from sightline.faces.gallery_scan import (
    PROBES_AT_ONCE,
    Probes,
    Shortlist,
    exact_distances,
    shortlist,
)
from sightline.faces.matcher import Nearest

# When to put all together again: it takes as long as some thousand changes do.
_ROWS_ADDED = 4_096
_SHARE_ADDED = 0.01
_SHARE_GONE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GalleryIndex:
    """Everybody enrolled, as one version of the people's tables had them.

    Never changes: `changed` gives another that shares what is the same, so that threads may search
    one while the next is made. People are in the order of their rows: first those of `base`, which
    may be memory-mapped, then whoever was added since.
    """

    version: int
    engine: str  # id of the engine that made the embeddings; those of another are never compared
    base: Part = field(repr=False)
    added: Part = field(repr=False)  # whoever changed since `base` was made, and is still there
    gone: frozenset[int] = field(default=frozenset(), repr=False)  # places in `base`
    _gone_rows: NDArray[np.intp] = field(init=False, repr=False)  # rising

    def __post_init__(self) -> None:
        dimension = self.base.rows.shape[1]
        if not 1 <= dimension <= MAX_DIMENSION or self.added.rows.shape[1] != dimension:
            raise ValueError(f"embeddings have {dimension} and {self.added.rows.shape[1]} numbers")
        spans = (self.base.span(place) for place in sorted(self.gone))
        rows = [np.arange(span.start, span.stop) for span in spans]
        object.__setattr__(
            self, "_gone_rows", np.concatenate(rows) if rows else np.empty(0, np.intp)
        )

    @classmethod
    def of(
        cls, runs: Iterable[Run], *, version: int, engine: str, dimension: int
    ) -> "GalleryIndex":
        """Make one in memory.

        Args:
            runs: Each person's id, the mark of their state, and their rows (k, d) float32; a person
                comes once.
            version: Of the people's tables.
            engine: Whose embeddings they are.
            dimension: Numbers in an embedding.

        Raises:
            ValueError: Rows have another shape or type, or hold what is no number.
        """
        return cls(
            version=version,
            engine=engine,
            base=make_part(_with_rows(runs), dimension),
            added=make_part((), dimension),
        )

    def __len__(self) -> int:
        return len(self.base) - len(self._gone_rows) + len(self.added)

    @property
    def dimension(self) -> int:
        """Numbers in an embedding."""
        return int(self.base.rows.shape[1])

    @property
    def people(self) -> tuple[str, ...]:
        """Each person once, in the order of their rows."""
        return tuple(person for person, _, _ in self.runs())

    @property
    def marks(self) -> Mapping[str, str]:
        """By what mark each person was known when they were put in."""
        return {person: mark for person, mark, _ in self.runs()}

    def runs(self) -> Iterator[Run]:
        """Go through everybody: id, mark, rows."""
        yield from self.base.runs(self.gone)
        yield from self.added.runs()

    def changed(self, runs: Iterable[Run], *, version: int) -> "GalleryIndex":
        """Give the gallery in which the people of *runs* have these rows, and no others.

        Whoever has none is gone. Takes time by how many have changed, not by how many there are,
        but for one look through the ids.

        Raises:
            ValueError: As `of`.
        """
        given = {person: (person, mark, rows) for person, mark, rows in runs}
        added = {run[0]: run for run in self.added.runs() if run[0] not in given}
        added |= given
        return replace(
            self,
            version=version,
            added=make_part(_with_rows(added.values()), self.dimension),
            gone=self.gone | self.base.names.find(given),
        )

    @property
    def worth_compacting(self) -> bool:
        """Whether so much has changed that searching takes notably longer."""
        many = max(_ROWS_ADDED, _SHARE_ADDED * len(self.base))
        return len(self.added) > many or len(self._gone_rows) > _SHARE_GONE * len(self.base)

    def compacted(self) -> "GalleryIndex":
        """Give the same gallery in one piece, in memory."""
        return GalleryIndex.of(
            self.runs(), version=self.version, engine=self.engine, dimension=self.dimension
        )

    def nearest(self, probes: Embeddings) -> list[Nearest | None]:
        """See `sightline.faces.matcher.Searchable.nearest`.

        Memory is bounded by `gallery_part.BLOCK` rows and the rows that come into question.

        Raises:
            ValueError: A probe holds what is no number, or too large a one.
        """
        if not (np.abs(probes) < LARGEST).all():
            raise ValueError(f"probes of {probes.shape} are no embeddings")
        found: list[Nearest | None] = []
        for start in range(0, len(probes), PROBES_AT_ONCE):
            found += self._nearest_of_some(probes[start : start + PROBES_AT_ONCE])
        return found

    def _nearest_of_some(self, probes: Embeddings) -> list[Nearest | None]:
        ready = Probes.of(probes)
        lists = [Shortlist() for _ in probes]
        shortlist(self.base, ready, lists, gone=self._gone_rows)
        shortlist(
            self.added,
            ready,
            lists,
            gone=np.empty(0, np.intp),
            first_row=len(self.base),
            first_place=len(self.base.names),
        )
        return [self._settle(found, probe) for found, probe in zip(lists, ready.exact, strict=True)]

    def _settle(self, found: Shortlist, probe: NDArray[np.float64]) -> Nearest | None:
        """Compare the shortlist exactly."""
        rows, places = found.settled()
        if not len(rows):
            return None
        split = int(np.searchsorted(rows, len(self.base)))  # rows rise
        distances = np.concatenate(
            [
                exact_distances(self.base.rows, rows[:split], probe),
                exact_distances(self.added.rows, rows[split:] - len(self.base), probe),
            ]
        )
        best = int(distances.argmin())  # of equals, the first, as rows are in order of people
        others = distances[places != places[best]]
        return Nearest(
            person_id=self._name(int(places[best])),
            distance=float(distances[best]),
            next_distance=float(others.min()) if len(others) else None,
        )

    def _name(self, place: int) -> str:
        in_base = len(self.base.names)
        return self.base.names[place] if place < in_base else self.added.names[place - in_base]


def _with_rows(runs: Iterable[Run]) -> Iterator[Run]:
    return (run for run in runs if len(run[2]))
