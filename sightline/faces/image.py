"""Bytes of an image file -> pixels."""

import io
import struct
import threading
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from sightline.errors import ImageError

Frame = NDArray[np.uint8]  # (h, w, 3), RGB, upright

MAX_PIXELS = 40_000_000  # more than any camera module for the Pi gives (Arducam's 64 MP apart)

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP")  # JPEG includes MPO, which many phones write

# What is an image (or nearly one), but none of ours; so that the sender is told what is wrong.
_KNOWN_BUT_UNSUPPORTED = {
    b"GIF8": "GIF",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"II+\x00": "TIFF",
    b"MM\x00+": "TIFF",
    b"\x00\x00\x01\x00": "an icon",
    b"\x00\x00\x00\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
    b"8BPS": "Photoshop",
    b"%PDF": "PDF",
    b"%!PS": "PostScript",
    b"qoif": "QOI",
    b"\x76\x2f\x31\x01": "OpenEXR",
    b"\x1aE\xdf\xa3": "a video",
}

_PNG_START = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"  # width and height follow
_ORIENTATION = 0x0112  # the EXIF tag

# The filters of `warnings` belong to the whole process, so two threads must not set and reset
# them in turn.
_WARNINGS = threading.Lock()


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Frame:
    """Read a JPEG, PNG, WebP or BMP file.

    Turned upright as its EXIF data says. Grey, palette, CMYK and 16-bit pictures become 8-bit
    RGB. Alpha is dropped, not composited: the fourth channel of a camera's picture is padding,
    and often zero. Of an animation, the first picture is taken. Colour profiles are ignored.

    Args:
        data: The file's bytes.
        max_pixels: The largest width times height to decode; the header is asked, before any
            memory is taken for the pixels.

    Returns:
        (h, w, 3) uint8, RGB, contiguous and the caller's own.

    Raises:
        ImageError: The bytes cannot be read as such a picture. Nothing else is ever raised.
    """
    if not data:
        raise ImageError("the image is empty")
    if data.startswith(_PNG_START):
        # Pillow reads on to the pixels, and would call a header alone no image.
        width, height = struct.unpack_from(">II", data.ljust(24, b"\0"), 16)
        _check_size(width, height, max_pixels)
    try:
        picture, orientation = _open(data)
        _check_size(*picture.size, max_pixels)
        pixels = _to_rgb(picture)
    except ImageError:
        raise
    except UnidentifiedImageError as err:
        raise _unidentified(data) from err
    except Image.DecompressionBombError as err:
        raise ImageError(
            f"the image is larger than {max_pixels:,} pixels", reason="too_large"
        ) from err
    except MemoryError as err:
        raise ImageError("the image does not fit in memory", reason="too_large") from err
    # Pillow's plugins let errors of a dozen kinds escape from damaged files (OSError, SyntaxError,
    # struct.error, zlib.error, KeyError, ...), and a new one must not take the process down.
    except Exception as err:
        raise ImageError(f"the image is damaged: {err}") from err
    return np.ascontiguousarray(_turn(pixels, orientation))


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise ImageError(
            f"{width} x {height} px are more than {max_pixels:,} pixels", reason="too_large"
        )


def _open(data: bytes) -> tuple[Image.Image, int]:
    """Read the header; the picture, not yet decoded, and its EXIF orientation (1 to 8)."""
    with _WARNINGS, warnings.catch_warnings():
        # Sizes are ours to judge, and damaged EXIF data is no reason to refuse good pixels.
        warnings.simplefilter("ignore")
        picture = Image.open(io.BytesIO(data), formats=_FORMATS)
        try:
            orientation = int(picture.getexif().get(_ORIENTATION, 1))
        except Exception:  # as above: of any kind
            orientation = 1
    return picture, orientation


def _to_rgb(picture: Image.Image) -> NDArray[np.uint8]:
    if picture.mode.startswith(("I", "F")):
        # 16 bits of grey, which Pillow's own conversion would clip at 255. (Its 16-bit colour
        # arrives with 8 bits already.)
        wide = np.asarray(picture).astype(np.uint32)
        grey = ((np.minimum(wide, 65535) + 128) // 257).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if picture.mode == "P" and isinstance(picture.info.get("transparency"), bytes):
        picture = picture.convert("RGBA")  # else Pillow warns
    return np.array(picture.convert("RGB"))


def _turn(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo an EXIF orientation.

    Source: CIPA DC-008 (Exif 2.32), 4.6.4, tag Orientation: where the 0th row and column lie.
    """
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _unidentified(data: bytes) -> ImageError:
    names = (name for magic, name in _KNOWN_BUT_UNSUPPORTED.items() if data.startswith(magic))
    name = next(names, "HEIC, AVIF or a video" if data[4:8] == b"ftyp" else None)
    if name is None:
        return ImageError("the bytes are no image")
    return ImageError(f"this is {name}; send JPEG, PNG, WebP or BMP", reason="unsupported_format")
