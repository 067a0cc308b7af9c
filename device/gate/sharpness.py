"""How sharp a picture, or a part of it, is: to choose among frames taken within a second."""

import math
from collections import deque

import cv2
import numpy as np

from device.cameras.camera import Image
from device.gate.motion import Region

_FLOOR = 150.0  # grey levels squared: contrast below it is mostly noise
_WINDOW_S = 1.0
_ENOUGH = 0.5  # of the sharpest in the window
_PATIENCE_S = 0.3


def sharpness(image: Image, region: Region | None = None) -> float:
    """How much of the contrast is in the finest details; 0 for a plain surface.

    The variance of the Laplacian, relative to that of the values, in green, where a sensor has
    most of its pixels. Between frames of one place only: it depends on what is seen.

    Args:
        image: (height, width, 3), B, G, R; or grey (height, width).
        region: Look only here; the whole else.

    Source: Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", 2000.
    """
    if region is not None:
        x, y, width, height = region
        image = image[y : y + height, x : x + width]
    if min(image.shape[:2]) < 3:
        return 0.0
    plane = np.ascontiguousarray(
        image if image.ndim == 2 else image[..., min(1, image.shape[2] - 1)]
    )
    details = cv2.meanStdDev(cv2.Laplacian(plane, cv2.CV_16S))[1].item()
    contrast = cv2.meanStdDev(plane)[1].item()
    return float(details**2 / (contrast**2 + _FLOOR))


class Focus:
    """Tells frames that are much less sharp than those just before: a check is better spent later.

    Nobody is kept waiting for longer than 0.3 s so: a camera may be out of focus for good.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()
        self._waiting_since_s = math.inf

    def sharp_enough(self, value: float, at_s: float) -> bool:
        """Tell whether a frame of this sharpness is worth a check now."""
        while self._seen and self._seen[0][0] < at_s - _WINDOW_S:
            self._seen.popleft()
        self._seen.append((at_s, value))
        best = max(each for _, each in self._seen)
        if value >= _ENOUGH * best or at_s - self._waiting_since_s >= _PATIENCE_S:
            self._waiting_since_s = math.inf
            return True
        self._waiting_since_s = min(self._waiting_since_s, at_s)
        return False
