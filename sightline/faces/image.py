"""Bytes of an image file -> pixels."""

import io
import struct
import threading
import warnings
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from sightline.errors import ImageError

Frame = NDArray[np.uint8]  # (h, w, 3), RGB, upright
Box = tuple[int, int, int, int]  # x, y, width, height in pixels

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
_ON_ITS_SIDE = (5, 6, 7, 8)  # the values of it that exchange width and height

# The filters of `warnings` belong to the whole process, so two threads must not set and reset
# them in turn.
_WARNINGS = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """A decoded picture, which may be smaller than the file's."""

    frame: Frame = field(repr=False)
    width: int  # of the file's picture, upright, in pixels
    height: int
    reduced_by: int = 1  # how many of the file's pixels, on a side, are one of the frame

    def in_file(self, box: Box) -> Box:
        """Turn a box of the frame into the file's pixels, within the picture."""
        by = self.reduced_by
        x, y, width, height = (by * value for value in box)
        return x, y, min(width, self.width - x), min(height, self.height - y)


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Frame:
    """Read a JPEG, PNG, WebP or BMP file, at its own size.

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
    return _decoded(data, max_pixels, None).frame


def decode_reduced(data: bytes, *, longest_px: int, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture as `decode` does, but a large JPEG at a half, quarter or eighth of its size.

    A JPEG can be decoded so for a fraction of the time, and much faster still, searched. It is
    reduced only as far as the longer side keeps *longest_px*: what is less than twice as large,
    and what is no JPEG, comes back at its own size, with the very pixels that `decode` gives.

    A face shrinks with its picture, and one that becomes smaller than the detector looks for is
    not found. So *longest_px* is a promise: a face that would be found in the picture shrunk to
    that size is found.

    Raises:
        ImageError: See `decode`.
    """
    return _decoded(data, max_pixels, longest_px)


def _decoded(data: bytes, max_pixels: int, longest_px: int | None) -> Picture:
    if not data:
        raise ImageError("the image is empty")
    if data.startswith(_PNG_START):
        # Pillow reads on to the pixels, and would call a header alone no image.
        width, height = struct.unpack_from(">II", data.ljust(24, b"\0"), 16)
        _check_size(width, height, max_pixels)
    try:
        picture, orientation = _open(data)
        size = picture.size
        _check_size(*size, max_pixels)
        reduced_by = 1 if longest_px is None else _reduce(picture, longest_px)
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
    turned = orientation in _ON_ITS_SIDE
    return Picture(
        frame=np.ascontiguousarray(_turn(pixels, orientation)),
        width=size[turned],
        height=size[not turned],
        reduced_by=reduced_by,
    )


def _reduce(picture: Image.Image, longest_px: int) -> int:
    """Have a JPEG decoded at the least of 1, 1/2, 1/4, 1/8 that keeps *longest_px*."""
    if not isinstance(picture, JpegImageFile):
        return 1
    width, height = picture.size
    # Asked for both sides, Pillow would keep both; the longer one decides.
    wanted = (longest_px, 1) if width >= height else (1, longest_px)
    drafted = picture.draft(None, wanted)
    return 1 if drafted is None else round(width / drafted[1][2])


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
    return np.array(picture if picture.mode == "RGB" else picture.convert("RGB"))


def _turn(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo an EXIF orientation.

    Source: CIPA DC-008 (Exif 2.32), 4.6.4, tag Orientation: where the 0th row and column lie.
    """
    if orientation in _ON_ITS_SIDE:
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
