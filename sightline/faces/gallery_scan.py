"""The nearest person and the next one, exactly, without comparing every row exactly.

A first pass works out for every row what its distance nearly is, and how far off that may be: from
bytes where there are many rows, else in single precision. A row whose distance cannot be within the
second-best person's is passed over; the few others are compared again, in double precision.

The bound is the triangle inequality: with p' and x' what the bytes stand for,
| |p - x| - |p' - x'| | is at most |p - p'| + |x - x'|, both of which are known.

Source: the VA-file of Weber, Schek and Blott, "A quantitative analysis and performance study for
similarity-search methods in high-dimensional spaces", 1998; the bound is our own.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sightline.faces.gallery_part import BLOCK, Embeddings, Part
from sightline.faces.products import LARGEST_COLUMN, products

PROBES_AT_ONCE = 8  # two columns each: 16 take the time of one

_FINE = 2 * LARGEST_COLUMN  # steps of a probe's second column in one of its first
_EXACT_ROWS = 4_096  # at a time, in double precision
_ROUNDING = 2.0**-20  # of single precision, relative, with all that is added up; far from tight
_UNIT = 2.0**-24  # what one rounding to single precision may be off


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Probes:
    """Up to `PROBES_AT_ONCE` faces, made ready for any number of blocks."""

    exact: NDArray[np.float64]  # (m, d)
    lengths: NDArray[np.float64]  # (m,)
    columns: NDArray[np.int8]  # (d, 2m): whole steps of each probe, then fine ones
    steps: NDArray[np.float64]  # (m,) what a fine step is
    squares: NDArray[np.float64]  # (m,) squared lengths of what the columns stand for
    errors: NDArray[np.float64]  # (m,) how far that is from the probe

    @classmethod
    def of(cls, probes: Embeddings) -> "Probes":
        """Make *probes* (m, d) ready."""
        exact = probes.astype(np.float64)
        whole_step = np.maximum(np.abs(exact).max(axis=1) / LARGEST_COLUMN, np.finfo(float).tiny)
        whole = np.rint(exact / whole_step[:, None])
        steps = whole_step / _FINE
        fine = np.rint((exact - whole * whole_step[:, None]) / steps[:, None])
        fine = fine.clip(-LARGEST_COLUMN, LARGEST_COLUMN)
        stands_for = (whole * _FINE + fine) * steps[:, None]
        return cls(
            exact=exact,
            lengths=np.sqrt((exact**2).sum(axis=1)),
            columns=np.ascontiguousarray(np.concatenate([whole, fine]).T.astype(np.int8)),
            steps=steps,
            squares=(stands_for**2).sum(axis=1),
            errors=np.sqrt(((exact - stands_for) ** 2).sum(axis=1)) * (1 + 1e-12),
        )


@dataclass(slots=True, kw_only=True, eq=False)
class Shortlist:
    """The rows that may be one probe's nearest or its next person's, so far."""

    # No farther than this is somebody, and no farther than that is somebody else.
    best: float = np.inf
    second: float = np.inf
    person: int = -1  # who the first of them is, by place
    rows: list[NDArray[np.intp]] = field(default_factory=list)
    places: list[NDArray[np.int32]] = field(default_factory=list)
    least: list[NDArray[np.float64]] = field(default_factory=list)  # a row is at least this far

    def take(
        self,
        rows: NDArray[np.intp],
        places: NDArray[np.int32],
        least: NDArray[np.float64],
        most: NDArray[np.float64],
    ) -> None:
        """Consider rows that are between *least* and *most* away."""
        first = int(most.argmin())
        others = places != places[first]
        self._bound(float(most[first]), int(places[first]))
        if others.any():
            second = int(np.where(others, most, np.inf).argmin())
            self._bound(float(most[second]), int(places[second]))
        kept = self._within(places, least)
        self.rows.append(rows[kept])
        self.places.append(places[kept])
        self.least.append(least[kept])

    def settled(self) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
        """Give the rows that are still to be compared, and whose they are."""
        if not self.rows:
            return np.empty(0, np.intp), np.empty(0, np.int32)
        rows, places = np.concatenate(self.rows), np.concatenate(self.places)
        kept = self._within(places, np.concatenate(self.least))
        return rows[kept], places[kept]

    def _bound(self, most: float, person: int) -> None:
        """Learn that *person* is no farther than *most*."""
        if person == self.person:
            self.best = min(self.best, most)
        elif most < self.best:
            self.best, self.second, self.person = most, self.best, person
        else:
            self.second = min(self.second, most)

    def _within(self, places: NDArray[np.int32], least: NDArray[np.float64]) -> NDArray[np.bool_]:
        # Of whoever leads so far, only what may be nearer still counts.
        within: NDArray[np.bool_] = least <= np.where(places == self.person, self.best, self.second)
        return within


def shortlist(
    part: Part,
    probes: Probes,
    lists: list[Shortlist],
    *,
    gone: NDArray[np.intp],
    first_row: int = 0,
    first_place: int = 0,
) -> None:
    """Add the rows of *part* that matter to *lists*, one of which each probe has.

    Args:
        gone: Rows to pass over, rising.
        first_row: What the first row is called.
        first_place: What the first person is called.
    """
    for start in range(0, len(part), BLOCK):
        squares, off, rounding = _nearly(part, slice(start, start + BLOCK), probes)
        span = np.searchsorted(gone, (start, start + BLOCK))
        squares[:, gone[span[0] : span[1]] - start] = np.inf
        for probe, (row, found) in enumerate(zip(squares, lists, strict=True)):
            limit = (found.second + off[probe]) ** 2 + rounding[probe]
            # Rounded up to single precision, so that what is at the limit is within it.
            near = np.flatnonzero(row <= np.nextafter(np.float32(min(limit, 3e38)), np.inf))
            if not len(near):
                continue
            value = row[near].astype(np.float64)
            least = np.sqrt(np.maximum(value - rounding[probe], 0)) - off[probe]
            most = np.sqrt(np.maximum(value, 0) + rounding[probe]) + off[probe]
            places = part.places[start + near] + np.int32(first_place)
            found.take(near + (start + first_row), places, least, most)


def _nearly(
    part: Part, block: slice, probes: Probes
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
    """Work out squared distances of a block's rows, nearly.

    Returns:
        (m, rows) squared distances of points that are at most (m,) from the true ones, each itself
        at most (m,) off by rounding.
    """
    lengths = part.squares[block]
    longest = float(np.sqrt(lengths.max(initial=0)))
    count = len(probes.exact)
    if part.coarse is None:
        inner = probes.exact.astype(np.float32) @ part.rows[block].T
        inner *= np.float32(-2)
        own, off = probes.lengths**2, np.zeros(count)
        rounding = _ROUNDING + 2 * part.rows.shape[1] * _UNIT
    else:
        steps = products(part.coarse.codes[block], probes.columns)
        whole = steps[:, :count].T * np.int32(_FINE) + steps[:, count:].T
        inner = whole.astype(np.float32, order="C")
        inner *= part.coarse.scales[block]
        inner *= (-2 * probes.steps).astype(np.float32)[:, None]
        own = probes.squares
        off = probes.errors + float(part.coarse.errors[block].max(initial=0))
        rounding = _ROUNDING
    inner += lengths
    inner += own.astype(np.float32)[:, None]
    largest = (np.sqrt(own) + longest) ** 2
    return inner, off, rounding * largest + 1e-37


def exact_distances(
    rows: Embeddings, which: NDArray[np.intp], probe: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Compare some of *rows* (n, d) with *probe* (d,), in double precision."""
    out = np.empty(len(which))
    for start in range(0, len(which), _EXACT_ROWS):
        some = slice(start, start + _EXACT_ROWS)
        gaps = rows[which[some]].astype(np.float64) - probe
        out[some] = np.sqrt((gaps**2).sum(axis=1))
    return out
