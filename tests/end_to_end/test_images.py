"""What lies at the key: whatever can be served is, and what cannot is refused with the reason."""

import io
import struct
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image

from cloud.s3 import MAX_FRAME_BYTES
from infra.local.stack import LocalStack
from infra.target import Target
from sightline.messages import FrameCaptured
from tests.end_to_end import pictures
from tests.end_to_end.actors import Operator, new_key

pytestmark = pytest.mark.stack

ORIENTATION = 0x0112  # the EXIF tag
# What undoes each orientation, as PIL names it; to be applied in reverse to get a turned picture.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,  # lies on its side, to be turned clockwise
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is, and ends there."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(b"IHDR" + head))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + head + crc


def jpeg_header(width: int, height: int) -> bytes:
    """A JPEG whose header says another size than its pixels have."""
    data = bytearray(pictures.jpeg(pictures.nobody()))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def turned(orientation: int) -> bytes:
    """Grace Hopper as a camera stores her that was held another way."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    picture = pictures.grace()
    if orientation in TURNS:
        picture = picture.transpose(TURNS[orientation])
    return pictures.jpeg(picture, exif=exif.tobytes())


def deep_png() -> bytes:
    """Grace Hopper with 16 bits a channel."""
    pixels = np.asarray(pictures.grace()).astype(np.uint16) * 257
    return cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()


def deep_grey_png() -> bytes:
    """Grace Hopper in grey of 16 bits."""
    return cv2.imencode(".png", pictures.as_16_bits(pictures.grace()))[1].tobytes()


def inverted_cmyk() -> bytes:
    """In inks, 255 for none, as Adobe's programs write it and Pillow after them."""
    return pictures.jpeg(pictures.grace().convert("CMYK"))


def see_through() -> bytes:
    """With a fourth channel of zeros, as cameras pad."""
    picture = pictures.grace().convert("RGBA")
    picture.putalpha(0)
    return pictures.png(picture)


def webp() -> bytes:
    file = io.BytesIO()
    pictures.grace().save(file, "WEBP", quality=90)
    return file.getvalue()


SERVED = {
    "a JPEG": lambda: pictures.jpeg(pictures.grace()),
    "a progressive JPEG": lambda: pictures.jpeg(pictures.grace(), progressive=True),
    "a PNG": lambda: pictures.png(pictures.grace()),
    "a PNG of 16 bits": deep_png,
    "a grey PNG of 16 bits": deep_grey_png,
    "a PNG of 32 bits, transparent": see_through,
    "a PNG with a palette": lambda: pictures.png(pictures.grace().quantize(256)),
    "a grey JPEG": lambda: pictures.jpeg(pictures.grace().convert("L")),
    "a CMYK JPEG": inverted_cmyk,
    "a WebP": webp,
}


@pytest.mark.parametrize("make", SERVED.values(), ids=SERVED)
def test_a_picture_of_any_common_kind_is_served(
    operator: Operator,
    store: Callable[[str, bytes], None],
    grace: str,
    thing: str,
    make: Callable[[], bytes],
) -> None:
    captured = FrameCaptured(key=new_key(thing))
    store(captured.key, make())

    operator.send(thing, captured)

    result = operator.recognized(captured.frame_id)
    assert (result.width, result.height) == (512, 600)
    assert [face.person.id for face in result.faces if face.person] == [grace], result.faces


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_seen_upright(
    operator: Operator,
    store: Callable[[str, bytes], None],
    grace: str,
    thing: str,
    orientation: int,
) -> None:
    upright, held = FrameCaptured(key=new_key(thing)), FrameCaptured(key=new_key(thing))
    store(upright.key, pictures.jpeg(pictures.grace()))
    data = turned(orientation)
    store(held.key, data)
    with Image.open(io.BytesIO(data)) as stored:
        lies = stored.size

    operator.send(thing, upright)
    operator.send(thing, held)

    expected, result = operator.recognized(upright.frame_id), operator.recognized(held.frame_id)
    assert lies == ((600, 512) if orientation >= 5 else (512, 600))
    assert (result.width, result.height) == (512, 600)
    [face], [same] = result.faces, expected.faces
    assert face.person is not None
    assert face.person.id == grace
    assert face.box == pytest.approx(same.box, abs=3)


REFUSED = {
    "nothing": (lambda: b"", "not_an_image", "empty"),
    "text": (lambda: b"<html>404</html>", "not_an_image", "no image"),
    "half a JPEG": (
        lambda: pictures.jpeg(pictures.grace())[:20_000],
        "not_an_image",
        "truncated",
    ),
    "a JPEG's first bytes": (
        lambda: pictures.jpeg(pictures.grace())[:20],
        "not_an_image",
        "",
    ),
    "half a PNG": (lambda: pictures.png(pictures.grace())[:20_000], "not_an_image", ""),
    "a PNG of 20,000 x 20,000": (
        lambda: png_header(20_000, 20_000),
        "too_large",
        "40,000,000 pixels",
    ),
    "a JPEG of 20,000 x 20,000": (
        lambda: jpeg_header(20_000, 20_000),
        "too_large",
        "40,000,000 pixels",
    ),
    "a GIF": (lambda: pictures.gif(pictures.grace()), "unsupported_format", "this is GIF"),
    "a PDF": (lambda: b"%PDF-1.7 ...", "unsupported_format", "this is PDF"),
    "a file without end": (
        lambda: pictures.jpeg(pictures.grace()) + bytes(MAX_FRAME_BYTES),
        "too_large",
        f"at most {MAX_FRAME_BYTES} are read",
    ),
}


@pytest.mark.parametrize(("make", "reason", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_served_is_refused_with_the_reason(
    operator: Operator,
    store: Callable[[str, bytes], None],
    settled: Callable[[], None],
    stack: LocalStack,
    target: Target,
    thing: str,
    make: Callable[[], bytes],
    reason: str,
    words: str,
) -> None:
    captured = FrameCaptured(key=new_key(thing))
    store(captured.key, make())
    settled()
    before = stack.lambda_service.stats(target.output("RecognizeFunction"))

    operator.send(thing, captured)

    rejected = operator.rejected(captured.frame_id)
    assert rejected.reason == reason
    assert words in rejected.detail
    assert rejected.key == captured.key
    settled()
    after = stack.lambda_service.stats(target.output("RecognizeFunction"))
    assert (after.failed, after.starts) == (before.failed, before.starts)


def test_a_picture_of_one_pixel_shows_nobody(
    operator: Operator, store: Callable[[str, bytes], None], thing: str
) -> None:
    captured = FrameCaptured(key=new_key(thing))
    store(captured.key, pictures.png(Image.new("RGB", (1, 1))))

    operator.send(thing, captured)

    result = operator.recognized(captured.frame_id)
    assert (result.width, result.height, result.faces) == (1, 1, ())
