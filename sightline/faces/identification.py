"""Naming faces when not everybody is enrolled: who is named rightly, wrongly, or not at all.

Each face takes its turn twice. Once as somebody known, compared with all other photos; once as a
stranger, compared with the photos of everybody else. The rules are `matcher`'s, a face a frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

MARGINS = tuple(round(0.01 * i, 2) for i in range(11))  # from which one is recommended

_AT_ONCE = 512  # faces, against all: what bounds the memory


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Turns:
    """What each face is near to when its turn comes. (n,) each; infinite if there is nobody."""

    own: NDArray[np.float64] = field(repr=False)  # the nearest other photo of the same person
    other: NDArray[np.float64] = field(repr=False)  # the nearest photo of anybody else
    another: NDArray[np.float64] = field(repr=False)  # and of the person after that one
    closest: tuple[int, int] | None  # the two faces of different people nearest to each other


@dataclass(frozen=True, slots=True, kw_only=True)
class Identification:
    """What came of everybody's turns at one threshold and margin."""

    known: int  # faces that had another photo of the same person
    named_rightly: int
    named_wrongly: int
    missed: int  # the rest: not named at all
    strangers: int  # faces, all, when their own person was left out
    strangers_named: int

    @property
    def wrong_names(self) -> int:
        """Names given to whoever has another, or none."""
        return self.named_wrongly + self.strangers_named


def take_turns(embeddings: NDArray[np.float32], people: Sequence[str]) -> Turns:
    """Compare every face with every other.

    Args:
        embeddings: (n, d).
        people: Whose face each is; at least two people.

    Raises:
        ValueError: There are fewer than two people.
    """
    ids, person = np.unique(np.array(people), return_inverse=True)
    if len(ids) < 2 or len(person) != len(embeddings):
        raise ValueError(f"{len(embeddings)} faces of {len(ids)} people: two people are needed")
    order = np.argsort(person, kind="stable")
    starts = np.searchsorted(person[order], np.arange(len(ids)))
    rows = embeddings[order].astype(np.float64)
    count = len(rows)
    own, other, another = (np.full(count, np.inf) for _ in range(3))
    nearest_pair, closest = np.inf, None
    for start in range(0, count, _AT_ONCE):
        here = np.arange(start, min(start + _AT_ONCE, count))
        distances = distances_between(rows[here], rows)
        distances[here - start, here] = np.inf  # a face is not its own other photo
        per_person = np.minimum.reduceat(distances, starts, axis=1)
        its = person[order][here]
        own[here] = per_person[here - start, its]
        per_person[here - start, its] = np.inf
        ordered = np.partition(per_person, 1, axis=1)
        other[here], another[here] = ordered[:, 0], ordered[:, 1]
        if other[here].min() < nearest_pair:
            first = int(other[here].argmin())
            nearest_pair = float(other[here][first])
            theirs = np.where(person[order] == its[first], np.inf, distances[first])
            closest = int(order[start + first]), int(order[theirs.argmin()])
    back = np.argsort(order)
    return Turns(own=own[back], other=other[back], another=another[back], closest=closest)


def identify(turns: Turns, *, threshold: float, margin: float) -> Identification:
    """Decide on every turn."""
    has_own = np.isfinite(turns.own)
    own, other = turns.own[has_own], turns.other[has_own]
    nearest = np.minimum(own, other)
    # Who is after the nearest: if that is somebody else, it may be the face's own person.
    next_ = np.where(own <= other, other, np.minimum(own, turns.another[has_own]))
    named = _named(nearest, next_, threshold, margin)
    rightly = named & (own <= other)
    strangers = _named(turns.other, turns.another, threshold, margin)
    return Identification(
        known=len(own),
        named_rightly=int(rightly.sum()),
        named_wrongly=int((named & ~rightly).sum()),
        missed=int((~named).sum()),
        strangers=len(strangers),
        strangers_named=int(strangers.sum()),
    )


def recommended_margin(turns: Turns, *, threshold: float) -> float:
    """Choose among `MARGINS`: fewest wrong names, then fewest missed, then the widest."""

    def worth(margin: float) -> tuple[int, int, float]:
        found = identify(turns, threshold=threshold, margin=margin)
        return found.wrong_names, found.missed, -margin

    return min(MARGINS, key=worth)


def distances_between(
    some: NDArray[np.floating], others: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Euclidean distances of *some* (m, d) to *others* (n, d): (m, n)."""
    a, b = some.astype(np.float64), others.astype(np.float64)
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * (a @ b.T)
    distances: NDArray[np.float64] = np.sqrt(np.maximum(squares, 0))
    return distances


def _named(
    nearest: NDArray[np.float64], next_: NDArray[np.float64], threshold: float, margin: float
) -> NDArray[np.bool_]:
    # Where there is nobody else, nobody can be mistaken: the margin is infinite.
    with np.errstate(invalid="ignore"):
        lead = next_ - nearest
    named: NDArray[np.bool_] = (nearest < threshold) & (lead >= margin)
    return named
