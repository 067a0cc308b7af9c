"""Where recognition falls off: the same faces smaller and smaller, and more and more blurred.

Each changed face is compared with the unchanged photos of everybody, as a camera's is. A gate is
recommended where the share that is recognised falls below `ENOUGH` of its best.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from infra.evaluation.photos import Face, Looker, blurred, shrunk
from sightline.faces.identification import distances_between
from sightline.faces.image import Frame, decode
from sightline.faces.quality import LEAST_SHARPNESS, SMALLEST_SIDE_PX

SIDES_PX = (112, 80, 60, 48, 40, 32, 24)
# The Gaussian's sigma, as a share of the face's width.
BLURS = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.08)
MOST_FACES = 100  # that are changed: each is looked for fourteen times
ENOUGH = 0.95

Kind = Literal["size", "blur"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """All faces at one size, or at one blur."""

    kind: Kind
    what: str
    faces: int
    found: int  # of them, by the detector
    side_px: float | None  # the median; None if none was found
    sharpness: float | None  # the median
    recognised: float | None  # of those found, with another photo: share nearer than the threshold
    mistaken: float | None  # share that are nearer than the threshold to somebody else


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What faces must have to be judged, and what the faces at hand say of it."""

    kind: Kind  # of the steps that it is judged by
    title: str
    label: str
    ticks: Sequence[float]
    in_force: float
    recommended: float | None  # None: recognition does not fall off within what was tried

    def points(self, steps: Sequence[Step]) -> list[tuple[float, Step]]:
        """Give what the gate measures of each of its steps, the largest first."""
        values = [
            (step.side_px if self.kind == "size" else step.sharpness, step)
            for step in steps
            if step.kind == self.kind
        ]
        there = [(value, step) for value, step in values if value]  # none, or 0, has no place
        return sorted(there, key=lambda each: each[0], reverse=True)


@dataclass(slots=True, kw_only=True)
class _Sum:
    kind: Kind
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
    """Change photos in every way, and look again; calls *advance* after each of `swept`."""
    rows = np.stack([face.embedding for face in faces])
    names = np.array(people)
    sums: dict[str, _Sum] = {}
    for place in swept(len(faces)):
        face = faces[place]
        frame = decode(Path(face.photo).read_bytes())
        middle = looker.where(frame)
        own = (names == names[place]) & (np.arange(len(faces)) != place)
        for kind, what, changed, share in _changes(frame, face.side_px) if middle else ():
            total = sums.setdefault(what, _Sum(kind=kind))
            total.faces += 1
            near = (middle[0] * share, middle[1] * share)  # type: ignore[index]
            again = looker.look_again(face.photo, changed, near)
            if again is not None:
                total.found.append(again)
                _compare(total, again, rows, own, names != names[place])
        advance()
    threshold = looker.engine.threshold
    return [_step(what, total, threshold) for what, total in sums.items()]


def swept(faces: int) -> Sequence[int]:
    """Choose which of so many faces are changed: all, or some from everywhere."""
    places = np.linspace(0, faces - 1, min(faces, MOST_FACES))
    return [round(place) for place in places]


def choose_gates(steps: Sequence[Step]) -> tuple[Gate, Gate]:
    """Choose the size gate and the blur gate."""
    size = Gate(
        kind="size",
        title="Smaller and smaller",
        label="the box's smaller side, px (median)",
        ticks=SIDES_PX,
        in_force=SMALLEST_SIDE_PX,
        recommended=None,
    )
    blur = Gate(
        kind="blur",
        title="More and more blurred",
        label="sharpness (median)",
        ticks=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1),
        in_force=LEAST_SHARPNESS,
        recommended=None,
    )
    return _judged(size, steps), _judged(blur, steps)


def _judged(gate: Gate, steps: Sequence[Step]) -> Gate:
    points = [
        (value, step.recognised)
        for value, step in gate.points(steps)
        if step.recognised is not None
    ]
    best = max((share for _, share in points), default=0.0)
    found = None
    for (value, share), (next_value, next_share) in pairwise(points):
        if share >= ENOUGH * best > next_share:
            # Where the line between the two, drawn over logarithms, crosses.
            along = (share - ENOUGH * best) / (share - next_share)
            found = math.exp(math.log(value) * (1 - along) + math.log(next_value) * along)
            break
    return replace(gate, recommended=found)


def _changes(frame: Frame, side_px: float) -> list[tuple[Kind, str, Frame, float]]:
    """Make all variants of a photo: of what kind, what it is, the frame, its scale."""
    made: list[tuple[Kind, str, Frame, float]] = [
        ("size", f"{side} px", shrunk(frame, side / side_px), side / side_px)
        for side in SIDES_PX
        if side < side_px
    ]
    # At a size that says nothing about smallness, so that blur alone is judged.
    share = min(1.0, max(SIDES_PX) / side_px)
    base = shrunk(frame, share)
    for blur in BLURS:
        changed = blurred(base, blur * side_px * share) if blur else base
        made.append(("blur", f"blur {blur:.0%}", changed, share))
    return made


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
        kind=total.kind,
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
