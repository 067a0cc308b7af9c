"""Images to JPEG."""

import cv2

from device.cameras.camera import Image
from sightline.errors import CameraError


def fit(image: Image, width: int, height: int) -> Image:
    """Shrink *image* to fit into *width* by *height*, keeping its proportions; never enlarge it."""
    rows, columns = image.shape[:2]
    scale = min(width / columns, height / rows)
    if scale >= 1:
        return image
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    shrunk: Image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return shrunk


def encode(image: Image, quality: int) -> bytes:
    """Write *image* as JPEG.

    Args:
        image: (height, width, 3), B, G, R.
        quality: 1 to 100.

    Raises:
        CameraError: It is no image that JPEG can hold.
    """
    try:
        done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error as err:
        raise CameraError(f"the camera gave an image of shape {image.shape}: {err}") from err
    if not done:
        raise CameraError(f"the camera gave an image of shape {image.shape}, which is no JPEG's")
    return data.tobytes()
