"""The face check: the whole MTCNN cascade, from a coarse smallest face on.

Its first network alone is no gate: at any threshold it fires on every empty frame, since its part
is to overlook nothing.
"""

from typing import Protocol

import cv2
import numpy as np

from device.cameras.camera import Image
from device.gate.gate import Seen
from device.jpeg import fit
from sightline.faces.alignment import align
from sightline.faces.detector import Detections
from sightline.faces.dlib import TEMPLATE
from sightline.faces.image import Frame
from sightline.faces.quality import sharpness

# Recognition gains nothing from more. Source: our own measurement, see `sightline.faces.quality`:
# from 112 px on nearly all pairs are told right, and the sharp faces of photographs have 0.14.
ENOUGH_PX, ENOUGH_SHARPNESS = 112.0, 0.14

_CHIP_PX = 150


class Detector(Protocol):
    """What finds faces; `sightline.faces.detector.Detector` does."""

    def detect(self, frame: Frame) -> Detections:
        """Find the faces in *frame*."""
        ...


class FaceCheck:
    """Says how many faces a frame has, and how good the largest of them is."""

    def __init__(self, detector: Detector, *, within: tuple[int, int] = (1280, 720)) -> None:
        """Look at frames as they will be sent: shrunk to fit *within* a width and a height."""
        self._detector = detector
        self._within = within

    def look(self, image: Image) -> Seen:
        """Look for faces in *image* (height, width, 3), B, G, R; or grey (height, width)."""
        fitted = fit(image, *self._within)
        grey = fitted.ndim == 2 or fitted.shape[2] == 1
        frame = np.asarray(
            cv2.cvtColor(fitted, cv2.COLOR_GRAY2RGB if grey else cv2.COLOR_BGR2RGB), np.uint8
        )
        found = self._detector.detect(frame)
        if not len(found):
            return Seen(faces=0)
        left, top, right, bottom = found.boxes[0]  # the largest
        side = float(min(right - left, bottom - top))
        try:
            sharp = sharpness(align(frame, found.landmarks[0], TEMPLATE, _CHIP_PX))
        except ValueError:  # landmarks all at one place
            sharp = 0.0
        score = min(1.0, side / ENOUGH_PX) * min(1.0, sharp / ENOUGH_SHARPNESS)
        return Seen(faces=len(found), side_px=side, sharpness=sharp, score=score)
