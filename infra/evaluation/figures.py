"""What scores come to: the figures that a threshold, a margin and the gates are chosen by."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from infra.evaluation.pairs import Scores
from infra.evaluation.photos import LeftOut
from sightline.errors import ConfigError
from sightline.faces.engines import Engine
from sightline.faces.identification import (
    Identification,
    Turns,
    identify,
    recommended_margin,
    take_turns,
)
from sightline.faces.metrics import (
    Operating,
    Pairs,
    at_far,
    at_threshold,
    auc,
    most_accurate,
    recommended_threshold,
)

FARS = (1e-1, 1e-2, 1e-3, 1e-4)
SIDES_PX = (0.0, 24.0, 32.0, 40.0, 60.0, 80.0, 112.0, 160.0, np.inf)
SHARPNESSES = (0.0, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, np.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A threshold and margin, and what they come to."""

    threshold: float
    margin: float | None  # None: only pairs were given
    pairs: Operating
    identification: Identification | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Closest:
    """The two faces of different people that are nearest to each other."""

    first: str
    second: str
    distance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Pairs whose worse face is so large, or so sharp, and how they fare at the threshold."""

    low: float
    high: float | None  # None: and more
    same: int
    tar: float | None  # None: there are no such pairs
    different: int
    far: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All that one evaluation says."""

    engine: str
    faces: int
    people: int | None  # None: only pairs were given
    left_out: tuple[LeftOut, ...]
    several: tuple[str, ...]  # photos of which the largest face was taken
    same_pairs: int
    different_pairs: int
    auc: float
    most_accurate: Operating
    at_fars: tuple[tuple[float, Operating | None], ...]  # None: too few pairs can tell
    default: Setting  # the engine's own
    recommended: Setting
    closest: Closest
    by_side: tuple[Band, ...]
    by_sharpness: tuple[Band, ...]


def figures(
    scores: Scores,
    engine: Engine,
    *,
    people: Sequence[str] | None = None,
    left_out: Sequence[LeftOut] = (),
) -> Figures:
    """Work everything out.

    Args:
        scores: At least one pair of each kind.
        engine: Whose embeddings they are.
        people: Whose face each of the scores' is; None if only pairs are known.
        left_out: Photos without a face.

    Raises:
        ConfigError: There are no pairs of one kind.
    """
    pairs = _pairs(scores, left_out)
    turns = None if people is None else take_turns(_rows(scores), people)
    threshold = recommended_threshold(pairs)
    margin = None if turns is None else recommended_margin(turns, threshold=threshold)
    return Figures(
        engine=engine.id,
        faces=len(scores.faces),
        people=None if people is None else len(set(people)),
        left_out=tuple(left_out),
        several=tuple(face.photo for face in scores.faces if face.others),
        same_pairs=len(pairs.same),
        different_pairs=len(pairs.different),
        auc=auc(pairs),
        most_accurate=most_accurate(pairs),
        at_fars=tuple((far, at_far(pairs, far)) for far in FARS),
        default=_setting(pairs, turns, engine.threshold, engine.margin),
        recommended=_setting(pairs, turns, threshold, margin),
        closest=_closest(scores),
        by_side=_bands(scores, scores.least("side_px"), SIDES_PX, engine.threshold),
        by_sharpness=_bands(scores, scores.least("sharpness"), SHARPNESSES, engine.threshold),
    )


def _pairs(scores: Scores, left_out: Sequence[LeftOut]) -> Pairs:
    kinds = {"the same person": scores.same.any(), "different people": (~scores.same).any()}
    for kind, there in kinds.items():
        if not there:
            why = f"; {len(left_out)} photos had no usable face" if left_out else ""
            raise ConfigError(f"there is no pair of faces of {kind} to judge by{why}")
    return Pairs.of(scores.distances, scores.same)


def _rows(scores: Scores) -> NDArray[np.float32]:
    return np.stack([face.embedding for face in scores.faces])


def _setting(pairs: Pairs, turns: Turns | None, threshold: float, margin: float | None) -> Setting:
    found = (
        None
        if turns is None or margin is None
        else identify(turns, threshold=threshold, margin=margin)
    )
    return Setting(
        threshold=threshold,
        margin=None if turns is None else margin,
        pairs=at_threshold(pairs, threshold),
        identification=found,
    )


def _closest(scores: Scores) -> Closest:
    nearest = int(np.where(scores.same, np.inf, scores.distances).argmin())
    return Closest(
        first=scores.faces[scores.first[nearest]].photo,
        second=scores.faces[scores.second[nearest]].photo,
        distance=float(scores.distances[nearest]),
    )


def _bands(
    scores: Scores, values: NDArray[np.float64], edges: Sequence[float], threshold: float
) -> tuple[Band, ...]:
    accepted = scores.distances < threshold
    bands = []
    for low, high in pairwise(edges):
        within = (low <= values) & (values < high)
        same, different = within & scores.same, within & ~scores.same
        if within.any():
            bands.append(
                Band(
                    low=low,
                    high=high if np.isfinite(high) else None,
                    same=int(same.sum()),
                    tar=float(accepted[same].mean()) if same.any() else None,
                    different=int(different.sum()),
                    far=float(accepted[different].mean()) if different.any() else None,
                )
            )
    return tuple(bands)
