"""Cutting a face out so that its eyes, nose and mouth lie where an engine expects them."""

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.faces.image import Frame

Chip = NDArray[np.uint8]  # (size, size, 3), RGB
Points = NDArray[
    np.float32
]  # (5, 2): x, y of left eye, right eye, nose, left and right mouth corner


def similarity(source: Points, target: Points) -> tuple[complex, complex]:
    """The turn-and-scale *a* and shift *b* that bring *source* nearest to *target*.

    With points as complex numbers x + iy, the least-squares solution of target = a * source + b
    without reflection is a quotient of two sums.

    Raises:
        ValueError: All source points are the same, so no scale is right.

    Source: Umeyama, "Least-squares estimation of transformation parameters between two point
    patterns", 1991, in two dimensions.
    """
    z = source[:, 0].astype(np.complex128) + 1j * source[:, 1]
    w = target[:, 0].astype(np.complex128) + 1j * target[:, 1]
    dz, dw = z - z.mean(), w - w.mean()
    spread = float(np.vdot(dz, dz).real)
    if not spread > 1e-6:
        raise ValueError("five landmarks at one place say nothing about the face")
    a = complex(np.vdot(dz, dw) / spread)
    return a, complex(w.mean() - a * z.mean())


def align(frame: Frame, landmarks: Points, template: Points, size: int) -> Chip:
    """Cut the face with those *landmarks* out of *frame*, as a chip.

    What lies outside the frame is black, as in dlib's chips. A face that must shrink to less than
    half is halved first, by means of 2 x 2 pixels, as often as it takes; linear interpolation
    alone would skip pixels (measured: one more error in 280 pairs).

    Args:
        frame: (h, w, 3) uint8, RGB.
        landmarks: (5, 2), in pixels of the frame.
        template: (5, 2), where they shall lie in the chip.
        size: Of the chip's side, in pixels.

    Returns:
        (size, size, 3) uint8, RGB.

    Raises:
        ValueError: The landmarks all lie at one place.
    """
    a, b = similarity(landmarks, template)
    if abs(a) < 0.5:
        frame, offset = _around(frame, a, b, size)
        b += a * offset
    while abs(a) < 0.5 and min(frame.shape[:2]) >= 2:
        height, width = frame.shape[0] // 2, frame.shape[1] // 2
        frame = np.asarray(
            cv2.resize(
                frame[: height * 2, : width * 2], (width, height), interpolation=cv2.INTER_AREA
            ),
            dtype=np.uint8,
        )
        # The centre of the new pixel (0, 0) was the corner that four pixels shared.
        b += a * (0.5 + 0.5j)
        a *= 2
    matrix = np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])
    chip = cv2.warpAffine(np.ascontiguousarray(frame), matrix, (size, size), flags=cv2.INTER_LINEAR)
    return np.asarray(chip, dtype=np.uint8)


def _around(frame: Frame, a: complex, b: complex, size: int) -> tuple[Frame, complex]:
    """The part of *frame* that the chip shows, with some to spare, and where it begins."""
    corners = (np.array([0, size, size * 1j, size * (1 + 1j)]) - b) / a
    spare = 4 / abs(a)
    left, right = corners.real.min() - spare, corners.real.max() + spare
    top, bottom = corners.imag.min() - spare, corners.imag.max() + spare
    height, width = frame.shape[:2]
    x1, x2 = (int(np.clip(x, 0, width)) for x in (left, right))
    y1, y2 = (int(np.clip(y, 0, height)) for y in (top, bottom))
    if x2 <= x1 or y2 <= y1:
        return np.zeros((1, 1, 3), dtype=np.uint8), 0j
    return frame[y1:y2, x1:x2], complex(x1, y1)
