"""A camera's frame as the encoder takes it: half as large as B, G, R, and so the queue to it is."""

import cv2
import numpy as np
from numpy.typing import NDArray

from device import jpeg
from device.cameras.camera import Captured, Image
from device.recording.writer import Unit

# Y, U and V, one above the other: (height × 3 / 2, width), both of them even.
Planes = NDArray[np.uint8]


def unit(captured: Captured, *, within: tuple[int, int] | None = None) -> Unit[Planes]:
    """Make a camera's frame one of a video.

    Args:
        within: A width and a height, which a frame that is larger is shrunk to fit; None: none is.
    """
    image = captured.image if within is None else jpeg.fit(captured.image, *within)
    planes: Planes = cv2.cvtColor(_even(image), cv2.COLOR_BGR2YUV_I420)  # type: ignore[assignment]
    return Unit(
        data=planes,
        at=captured.captured_at,
        at_s=captured.captured_s,
        size=planes.nbytes,
        form=planes.shape,
    )


def _even(image: Image) -> Image:
    """Crop to even numbers of rows and columns, 2 at least: colour has half of each."""
    rows, columns = image.shape[:2]
    if rows < 2 or columns < 2:
        image = cv2.resize(image, (max(2, columns), max(2, rows)))  # type: ignore[assignment]
        rows, columns = image.shape[:2]
    return image[: rows & ~1, : columns & ~1]
