"""Where recognition falls off: the same faces smaller and smaller, and more and more blurred.

Each changed face is compared with the unchanged photos of everybody, as a camera's is.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infra.evaluation.photos import Face, Looker, blurred, shrunk
from sightline.faces.identification import distances_between
from sightline.faces.image import Frame, decode

SIDES_PX = (112, 80, 60, 48, 40, 32, 24)
BLURS = (0.01, 0.02, 0.03, 0.05, 0.08)  # the Gaussian's sigma, as a share of the face's width


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """All faces at one size, or at one blur."""

    what: str
    faces: int
    found: int  # of them, by the detector
    side_px: float | None  # the median; None if none was found
    sharpness: float | None  # the median
    recognised: float | None  # share of those with another photo that are nearer than the threshold
    mistaken: float | None  # share that are nearer than the threshold to somebody else


@dataclass(slots=True, kw_only=True)
class _Sum:
    faces: int = 0
    found: list[Face] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    other: list[float] = field(default_factory=list)


def sweep(
    looker: Looker,
    faces: Sequence[Face],
    people: Sequence[str],
    *,
    advance: Callable[[], None] = lambda: None,
) -> list[Step]:
    """Change every photo in every way, and look again; calls *advance* after each photo."""
    rows = np.stack([face.embedding for face in faces])
    names = np.array(people)
    sums: dict[str, _Sum] = {}
    for place, face in enumerate(faces):
        frame = decode(Path(face.photo).read_bytes())
        middle = looker.where(frame)
        others = np.arange(len(faces)) != place
        for what, changed, share in _changes(frame, face.side_px) if middle else ():
            total = sums.setdefault(what, _Sum())
            total.faces += 1
            near = (middle[0] * share, middle[1] * share)  # type: ignore[index]
            again = looker.look_again(face.photo, changed, near)
            if again is not None:
                total.found.append(again)
                _compare(
                    total, again, rows, others & (names == names[place]), names != names[place]
                )
        advance()
    threshold = looker.engine.threshold
    return [_step(what, total, threshold) for what, total in sums.items()]


def _changes(frame: Frame, side_px: float) -> list[tuple[str, Frame, float]]:
    """Make all variants of a photo: what it is, the frame, its scale."""
    smaller = [
        (f"{side} px", shrunk(frame, side / side_px), side / side_px)
        for side in SIDES_PX
        if side < side_px
    ]
    # At a size that says nothing about smallness, so that blur alone is judged.
    share = min(1.0, max(SIDES_PX) / side_px)
    base = shrunk(frame, share)
    softer = [(f"blur {blur:.0%}", blurred(base, blur * side_px * share), share) for blur in BLURS]
    return smaller + softer


def _compare(
    total: _Sum,
    face: Face,
    rows: NDArray[np.float32],
    own: NDArray[np.bool_],
    other: NDArray[np.bool_],
) -> None:
    [distances] = distances_between(face.embedding[np.newaxis], rows)
    if own.any():
        total.own.append(float(distances[own].min()))
    if other.any():
        total.other.append(float(distances[other].min()))


def _step(what: str, total: _Sum, threshold: float) -> Step:
    return Step(
        what=what,
        faces=total.faces,
        found=len(total.found),
        side_px=statistics.median(f.side_px for f in total.found) if total.found else None,
        sharpness=statistics.median(f.sharpness for f in total.found) if total.found else None,
        recognised=_share_below(total.own, threshold),
        mistaken=_share_below(total.other, threshold),
    )


def _share_below(distances: Sequence[float], threshold: float) -> float | None:
    if not distances:
        return None
    return sum(distance < threshold for distance in distances) / len(distances)
