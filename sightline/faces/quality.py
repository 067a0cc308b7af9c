"""Whether a face can be judged at all: large enough, and sharp enough."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from sightline.faces.alignment import Chip

Verdict = Literal["good", "too_small", "blurred"]

# The box's smaller side. Below it, the share of people recognised falls off.
# Source: our own measurement on 1,830 pairs: at distance 0.6, 99 % of the same people's pairs are
# found at 60 px and 40 px, 95 % at 32 px, 86 % at 24 px.
SMALLEST_SIDE_PX = 40.0

# Source: our own measurement on the 38 faces of 28 photographs. As they are they have 0.14 and
# more, shrunk to 42 px and darkened to a quarter 0.04 and more; blurred by a Gaussian of 5 % of the
# face's width, at which most are no longer recognised, 0.014 and less.
LEAST_SHARPNESS = 0.02

_SIDE = 75  # half a chip of dlib's: what is finer is noise, compression and enlargement
_INNER = slice(14, 58)  # from the brows to the mouth; around it are hair, collar and background
_FLOOR = 150.0  # grey levels squared: contrast below it is mostly noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """A verdict, with the numbers it rests on."""

    verdict: Verdict
    side_px: float  # the box's smaller side
    sharpness: float | None  # see `sharpness`; None if the face was too small to ask


def judge(
    side_px: float,
    chip: Chip | None,
    *,
    smallest_side_px: float = SMALLEST_SIDE_PX,
    least_sharpness: float = LEAST_SHARPNESS,
) -> Quality:
    """Say whether a face can be compared with others.

    Args:
        side_px: The smaller side of its box in the frame.
        chip: The aligned face; may be None if it is too small anyway.
        smallest_side_px: Smaller is too small.
        least_sharpness: Less is blurred.
    """
    if side_px < smallest_side_px or chip is None:
        return Quality(verdict="too_small", side_px=side_px, sharpness=None)
    measured = sharpness(chip)
    verdict: Verdict = "good" if measured >= least_sharpness else "blurred"
    return Quality(verdict=verdict, side_px=side_px, sharpness=measured)


def sharpness(chip: Chip) -> float:
    """How much of the contrast of a face is in its finest details; 0 for a plain surface.

    The variance of the Laplacian, relative to that of the grey values, of the inner face. Relative,
    because otherwise every face in the dark would be called blurred. Noise counts as detail, so
    what is blurred *and* noisy passes; it is then too far from everybody.

    Source: Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", 2000, for the
    variance of the Laplacian; the rest is our own.
    """
    grey = cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY)
    half = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    details = cv2.Laplacian(half, cv2.CV_32F)[_INNER, _INNER]
    return float(np.var(details) / (np.var(half[_INNER, _INNER]) + _FLOOR))
