"""A still as a JPEG."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Rgb = NDArray[np.uint8]  # (h, w, 3), R, G, B


def encode_jpeg(frame: Rgb, quality: int = 90) -> bytes:
    """Write *frame* as a JPEG with colour in half resolution, as cameras do; no metadata.

    Args:
        frame: (h, w, 3), R, G, B.
        quality: 1 to 95.
    """
    # Of 720p in 3 ms; PyAV's encoder took 8, and wants a context for each size.
    written = io.BytesIO()
    Image.fromarray(frame).save(written, "JPEG", quality=quality, subsampling="4:2:0")
    return written.getvalue()
