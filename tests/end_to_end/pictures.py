"""Pictures for tests, as the bytes of files."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.end_to_end.actors import DATA

Picture = Image.Image


def grace() -> Picture:
    """Grace Hopper, 512x600, one face."""
    with Image.open(DATA / "grace-hopper.jpg") as picture:
        return picture.convert("RGB")


def eileen() -> Picture:
    """Eileen Collins, 512x512, one face."""
    with Image.open(DATA / "eileen-collins.png") as picture:
        return picture.convert("RGB")


def both() -> Picture:
    """Grace Hopper on the left, Eileen Collins on the right."""
    picture = Image.new("RGB", (1024, 600), "grey")
    picture.paste(grace(), (0, 0))
    picture.paste(eileen(), (512, 0))
    return picture


def nobody() -> Picture:
    """A wall."""
    return Image.new("RGB", (640, 480), "grey")


def jpeg(picture: Picture, **options: Any) -> bytes:
    """Write a JPEG."""
    return _write(picture, "JPEG", quality=90, **options)


def png(picture: Picture, **options: Any) -> bytes:
    """Write a PNG."""
    return _write(picture, "PNG", **options)


def gif(picture: Picture) -> bytes:
    """Write a GIF."""
    return _write(picture, "GIF")


def _write(picture: Picture, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def as_16_bits(picture: Picture) -> NDArray[np.uint16]:
    """Spread grey over 16 bits."""
    return np.asarray(picture.convert("L")).astype(np.uint16) * 257
