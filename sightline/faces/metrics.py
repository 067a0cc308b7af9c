"""How well distances tell the same person from another, as the literature states it.

Pairs of faces have a distance, and are called the same if it is below a threshold. TAR (true
accepts) is the share of same pairs so called, FAR (false accepts) that of different pairs.
"""

from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Distances = NDArray[np.float64]  # (n,)

# Of different pairs, at most so many may be nearer than a recommended threshold.
RECOMMENDED_FAR = 1e-3
ENOUGH_PAIRS = 10_000  # of which ten are that near
FEWEST_PAIRS = 30  # to judge by how they are spread


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """Distances of pairs of faces, by what they truly are; at least one of each."""

    same: Distances = field(repr=False)  # rising
    different: Distances = field(repr=False)  # rising

    def __post_init__(self) -> None:
        for name in ("same", "different"):
            values = np.sort(np.asarray(getattr(self, name), np.float64))
            if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
                raise ValueError(f"{name} pairs are {values.shape} distances: give one and more")
            object.__setattr__(self, name, values)

    @classmethod
    def of(cls, distances: ArrayLike, same: ArrayLike) -> "Pairs":
        """Tell *distances* (n,) apart by *same* (n,) of booleans.

        Raises:
            ValueError: There are none of one kind, or one is no number.
        """
        values, is_same = np.asarray(distances, np.float64), np.asarray(same, bool)
        return cls(same=values[is_same], different=values[~is_same])


@dataclass(frozen=True, slots=True, kw_only=True)
class Operating:
    """What a threshold comes to on the pairs at hand."""

    threshold: float
    tar: float
    far: float
    accuracy: float  # the share of all pairs that are called what they are


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Roc:
    """The curve, from nothing accepted to everything."""

    thresholds: Distances  # rising; the first is 0, the last infinite
    tar: Distances
    far: Distances


def at_threshold(pairs: Pairs, threshold: float) -> Operating:
    """Count what *threshold* accepts: what is nearer, as the matcher has it."""
    true = int(np.searchsorted(pairs.same, threshold))
    false = int(np.searchsorted(pairs.different, threshold))
    same, different = len(pairs.same), len(pairs.different)
    return Operating(
        threshold=threshold,
        tar=true / same,
        far=false / different,
        accuracy=(true + different - false) / (same + different),
    )


def auc(pairs: Pairs) -> float:
    """The area under the ROC: how often a same pair is nearer than a different one.

    Equal distances count half. Source: Hanley and McNeil, "The meaning and use of the area under a
    ROC curve", 1982.
    """
    nearer = np.searchsorted(pairs.different, pairs.same, side="right")
    not_farther = np.searchsorted(pairs.different, pairs.same, side="left")
    won = 2 * len(pairs.different) - nearer - not_farther
    return float(won.sum() / (2 * len(pairs.same) * len(pairs.different)))


def roc(pairs: Pairs) -> Roc:
    """Give the curve at every distance there is."""
    values = np.unique(np.concatenate([pairs.same, pairs.different]))
    thresholds = np.concatenate([[0.0], values, [np.inf]])
    return Roc(
        thresholds=thresholds,
        tar=np.searchsorted(pairs.same, thresholds) / len(pairs.same),
        far=np.searchsorted(pairs.different, thresholds) / len(pairs.different),
    )


def most_accurate(pairs: Pairs) -> Operating:
    """Find the threshold that calls most pairs what they are; of equals, the lowest.

    It is half-way between two distances, and chosen on the pairs that it is judged by, so that its
    accuracy is what others can at best expect.
    """
    values = np.unique(np.concatenate([pairs.same, pairs.different]))
    between = np.concatenate([values[:1], (values[1:] + values[:-1]) / 2, [values[-1] + 1e-6]])
    right = np.searchsorted(pairs.same, between) - np.searchsorted(pairs.different, between)
    return at_threshold(pairs, float(between[int(right.argmax())]))


def at_far(pairs: Pairs, far: float) -> Operating | None:
    """Find the highest threshold with at most that FAR; None if too few pairs can tell.

    One pair in a thousand can be told from none only if there are a thousand.
    """
    allowed = far * len(pairs.different)
    if allowed < 1 - 1e-9:
        return None
    return at_threshold(pairs, _highest(pairs, int(allowed + 1e-9)))


def recommended_threshold(pairs: Pairs) -> float:
    """Choose a threshold to work with.

    Of those at which no more than `RECOMMENDED_FAR` of different pairs are accepted (none, if they
    are fewer than its inverse), one that accepts most same pairs; of these the middle, as far from
    the last same pair as from the next different one. Of fewer than `ENOUGH_PAIRS`, the nearest
    ones say little of what others would have given: then no higher than where a normal
    distribution with the same median and nearer half has that FAR.
    """
    limit = _highest(pairs, int(RECOMMENDED_FAR * len(pairs.different) + 1e-9))
    accepted = int(np.searchsorted(pairs.same, limit))
    last = float(pairs.same[accepted - 1]) if accepted else 0.0
    between = (last + limit) / 2
    if not FEWEST_PAIRS <= len(pairs.different) < ENOUGH_PAIRS:
        return between
    middle = float(np.median(pairs.different))
    nearer = pairs.different[pairs.different <= middle]
    spread = float(np.sqrt(((middle - nearer) ** 2).mean()))
    tail = NormalDist(middle, spread).inv_cdf(RECOMMENDED_FAR) if spread else middle
    return max(0.0, min(between, tail))


def _highest(pairs: Pairs, accepted: int) -> float:
    """Give the highest threshold that accepts no more than so many different pairs."""
    if accepted >= len(pairs.different):
        return float(np.nextafter(max(pairs.different[-1], pairs.same[-1]), np.inf))
    return float(pairs.different[accepted])  # which itself is not nearer, and so not accepted
