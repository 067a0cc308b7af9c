"""Bytes become pixels, or an error that says what is wrong with them."""

import contextlib
import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sightline.errors import ImageError
from sightline.faces.image import Frame, decode, decode_reduced

# Four colours, so that every turn and mirroring is another picture; flat, so that JPEG keeps them.
RED, GREEN, BLUE, GREY = (200, 30, 30), (30, 200, 30), (30, 30, 200), (120, 120, 120)


def quarters() -> Frame:
    frame = np.zeros((32, 48, 3), dtype=np.uint8)
    frame[:16, :24], frame[:16, 24:], frame[16:, :24], frame[16:, 24:] = RED, GREEN, BLUE, GREY
    return frame


def file_of(picture: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def png_of(header: tuple[int, int, int, int], rows: bytes | None) -> bytes:
    """A PNG made by hand: width, height, bit depth, colour type; without rows, a header only."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    parts = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", struct.pack(">IIBBBBB", *header, 0, 0, 0))]
    if rows is not None:
        parts += [chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"".join(parts)


def reason_of(data: bytes, **options: int) -> str:
    with pytest.raises(ImageError) as caught:
        decode(data, **options)
    return caught.value.reason


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP"])
def test_what_is_stored_without_loss_comes_back_as_it_was(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}

    frame = decode(file_of(Image.fromarray(quarters()), kind, **options))

    assert frame.dtype == np.uint8
    np.testing.assert_array_equal(frame, quarters())


def test_a_frame_is_contiguous_and_the_callers_own() -> None:
    frame = decode(file_of(Image.fromarray(quarters()), "JPEG"))

    assert frame.flags.c_contiguous
    frame[:] = 0  # writeable


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        # How a camera held that way would store the upright picture.
        (1, quarters()),
        (2, quarters()[:, ::-1]),
        (3, quarters()[::-1, ::-1]),
        (4, quarters()[::-1]),
        (5, quarters().transpose(1, 0, 2)),
        (6, np.rot90(quarters(), 1)),
        (7, quarters()[::-1, ::-1].transpose(1, 0, 2)),
        (8, np.rot90(quarters(), -1)),
    ],
)
def test_a_picture_is_turned_upright(kind: str, orientation: int, stored: Frame) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95, "exif": exif}

    frame = decode(file_of(Image.fromarray(np.ascontiguousarray(stored)), kind, **options))

    assert frame.shape == quarters().shape
    assert np.abs(frame.astype(int) - quarters()).mean() < 3


def test_an_orientation_that_does_not_exist_turns_nothing() -> None:
    exif = Image.Exif()
    exif[0x0112] = 77

    frame = decode(file_of(Image.fromarray(quarters()), "PNG", exif=exif))

    np.testing.assert_array_equal(frame, quarters())


def test_damaged_exif_data_does_not_cost_the_picture() -> None:
    data = file_of(Image.fromarray(quarters()), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")

    assert decode(data).shape == (32, 48, 3)


def test_16_bits_of_grey_are_scaled_and_not_clipped() -> None:
    values = np.array([[0, 257, 32768, 65535]], dtype=np.uint16)
    data = png_of((4, 1, 16, 0), b"\x00" + values.astype(">u2").tobytes())

    frame = decode(data)

    np.testing.assert_array_equal(frame, np.repeat([[[0], [1], [128], [255]]], 3, axis=2))


def test_16_bits_of_colour_are_scaled() -> None:
    values = np.array([[[0, 32768, 65535]]], dtype=np.uint16)
    data = png_of((1, 1, 16, 2), b"\x00" + values.astype(">u2").tobytes())

    np.testing.assert_array_equal(decode(data), [[[0, 128, 255]]])


def test_16_bits_with_alpha_are_scaled_and_the_alpha_dropped() -> None:
    colour = np.array([[[0, 32768, 65535, 4]]], dtype=np.uint16).astype(">u2").tobytes()
    grey = np.array([[[32768, 4]]], dtype=np.uint16).astype(">u2").tobytes()

    np.testing.assert_array_equal(
        decode(png_of((1, 1, 16, 6), b"\x00" + colour)), [[[0, 128, 255]]]
    )
    np.testing.assert_array_equal(decode(png_of((1, 1, 16, 4), b"\x00" + grey)), [[[128] * 3]])


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", mode) for mode in ("1", "L", "LA", "P", "RGBA")]
    + [("BMP", mode) for mode in ("1", "L", "P", "RGBA")]
    + [("WEBP", mode) for mode in ("L", "RGBA")]
    + [("JPEG", mode) for mode in ("1", "L", "CMYK", "YCbCr")],
)
def test_whatever_the_channels_a_frame_is_rgb(kind: str, mode: str) -> None:
    picture = Image.fromarray(quarters()).convert(mode)

    assert decode(file_of(picture, kind)).shape == (32, 48, 3)


def test_grey_is_three_equal_channels() -> None:
    frame = decode(file_of(Image.new("L", (5, 4), 77), "PNG"))

    np.testing.assert_array_equal(frame, np.full((4, 5, 3), 77))


def test_a_palette_with_transparent_entries_gives_its_colours() -> None:
    picture = Image.fromarray(quarters()).quantize(4)

    frame = decode(file_of(picture, "PNG", transparency=bytes([0, 128, 255, 0])))

    np.testing.assert_allclose(frame, quarters(), atol=2)


def test_alpha_is_dropped_so_that_a_cameras_padding_hides_nothing() -> None:
    rgba = np.dstack([quarters(), np.zeros((32, 48), np.uint8)])

    np.testing.assert_array_equal(decode(file_of(Image.fromarray(rgba), "PNG")), quarters())


def test_a_cmyk_jpeg_has_the_colours_it_shows() -> None:
    # Pillow, like Adobe, writes the inks inverted.
    data = file_of(Image.fromarray(quarters()).convert("CMYK"), "JPEG", quality=95)

    assert np.abs(decode(data).astype(int) - quarters()).mean() < 3


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_of_an_animation_the_first_picture_is_taken(kind: str) -> None:
    first, second = Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), BLUE)

    data = file_of(first, kind, save_all=True, append_images=[second], lossless=True)

    np.testing.assert_array_equal(decode(data), np.full((8, 8, 3), RED))


def test_one_pixel_is_a_picture() -> None:
    assert decode(file_of(Image.new("RGB", (1, 1), RED), "PNG")).tolist() == [[list(RED)]]


@pytest.mark.parametrize("data", [b"", b"\x00", b"good morning", b"\xff\xd8\xff", b"{}" * 999])
def test_what_is_no_image_is_called_so(data: bytes) -> None:
    assert reason_of(data) == "not_an_image"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_half_a_file_is_no_image(kind: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = file_of(Image.fromarray(noise), kind)

    assert reason_of(data[: len(data) // 2]) == "not_an_image"


def test_a_header_of_20000_by_20000_is_too_large_before_it_is_decoded() -> None:
    assert reason_of(png_of((20_000, 20_000, 8, 2), None)) == "too_large"


@pytest.mark.parametrize("side", [20_000, 60_000])
def test_a_jpeg_whose_header_says_so_is_too_large(side: int) -> None:
    data = bytearray(file_of(Image.new("L", (8, 8)), "JPEG"))
    at = data.index(b"\xff\xc0") + 5  # of the frame header: height and width
    data[at : at + 4] = struct.pack(">HH", side, side)

    assert reason_of(bytes(data)) == "too_large"


def test_between_our_bound_and_pillows_a_picture_is_too_large_without_a_warning() -> None:
    data = bytearray(file_of(Image.new("L", (8, 8)), "BMP"))
    data[18:26] = struct.pack("<ii", 10_000, 10_000)

    assert reason_of(bytes(data)) == "too_large"


def test_the_bound_is_on_pixels_and_is_inclusive() -> None:
    data = file_of(Image.new("L", (10, 10)), "PNG")

    assert decode(data, max_pixels=100).shape == (10, 10, 3)
    assert reason_of(data, max_pixels=99) == "too_large"


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "ICO", "PDF", "AVIF"])
def test_an_image_of_another_format_is_told_apart_from_no_image(kind: str) -> None:
    assert reason_of(file_of(Image.new("RGB", (16, 16)), kind)) == "unsupported_format"


def test_the_error_says_what_to_send() -> None:
    with pytest.raises(ImageError, match="GIF; send JPEG, PNG, WebP or BMP"):
        decode(file_of(Image.new("L", (4, 4)), "GIF"))


@given(st.binary(max_size=400))
def test_a_stranger_can_cause_no_error_but_ours(data: bytes) -> None:
    for head in (
        b"",
        b"\xff\xd8\xff\xe1",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\x00\x01\x00\x00WEBP",
        b"BM",
    ):
        with contextlib.suppress(ImageError):
            decode(head + data)


_SMALL = [
    file_of(Image.fromarray(quarters()), kind, **options)
    for kind, options in (
        (
            "JPEG",
            {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01"},
        ),
        ("PNG", {}),
        ("WEBP", {}),
        ("BMP", {}),
    )
]


@given(st.sampled_from(_SMALL), st.lists(st.tuples(st.floats(0, 0.999), st.binary(max_size=4))))
def test_a_damaged_file_is_a_picture_or_an_error_of_ours(
    data: bytes, damage: list[tuple[float, bytes]]
) -> None:
    damaged = bytearray(data)
    for where, what in damage:
        start = int(where * len(damaged))
        damaged[start : start + len(what)] = what
    try:
        frame = decode(bytes(damaged), max_pixels=100_000)
    except ImageError:
        return
    assert frame.ndim == 3 and frame.shape[2] == 3 and frame.dtype == np.uint8  # noqa: PT018


def gradient(width: int, height: int) -> Image.Image:
    """Red grows to the right and green downwards, so that a place can be told by its colour."""
    frame = np.zeros((height, width, 3), np.uint8)
    frame[:, :, 0] = np.linspace(0, 255, width)[None, :]
    frame[:, :, 1] = np.linspace(0, 255, height)[:, None]
    return Image.fromarray(frame)


@pytest.mark.parametrize(
    ("size", "by"),
    [
        ((127, 90), 1),
        ((128, 90), 2),
        ((90, 128), 2),
        ((255, 255), 2),
        ((257, 96), 4),
        ((80, 600), 8),
        ((9000, 104), 8),
    ],
)
def test_a_large_jpeg_is_decoded_at_the_least_size_that_keeps_the_longer_side(
    size: tuple[int, int], by: int
) -> None:
    data = file_of(gradient(*size), "JPEG", quality=95, subsampling=0)

    picture = decode_reduced(data, longest_px=64)

    assert picture.reduced_by == by
    assert (picture.width, picture.height) == size
    assert picture.frame.shape[:2] == (-(-size[1] // by), -(-size[0] // by))
    means = decode(data).mean(axis=(0, 1))
    np.testing.assert_allclose(picture.frame.mean(axis=(0, 1)), means, atol=3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_reduced_picture_is_turned_and_its_boxes_are_the_files(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = file_of(gradient(400, 201), "JPEG", quality=95, exif=exif)
    whole = decode(data)

    picture = decode_reduced(data, longest_px=100)

    assert (picture.height, picture.width) == whole.shape[:2]
    x, y, width, height = picture.in_file((10, 20, 30, 20))
    assert (width, height) == (120, 80)
    here = picture.frame[20:40, 10:40].mean(axis=(0, 1))
    np.testing.assert_allclose(here, whole[y : y + height, x : x + width].mean(axis=(0, 1)), atol=4)


def test_a_box_at_the_edge_of_a_reduced_picture_stays_within_the_files() -> None:
    picture = decode_reduced(file_of(gradient(201, 99), "JPEG"), longest_px=100)

    height, width, _ = picture.frame.shape
    assert (width, height) == (101, 50)
    assert picture.in_file((91, 40, 10, 10)) == (182, 80, 19, 19)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP"])
def test_what_is_no_jpeg_is_not_reduced(kind: str) -> None:
    data = file_of(gradient(400, 200), kind)

    picture = decode_reduced(data, longest_px=100)

    assert picture.reduced_by == 1
    np.testing.assert_array_equal(picture.frame, decode(data))


def test_a_small_jpeg_is_decoded_to_the_same_pixels_as_ever() -> None:
    data = file_of(gradient(1280, 720), "JPEG")

    np.testing.assert_array_equal(decode_reduced(data, longest_px=1280).frame, decode(data))


@given(st.binary(max_size=200))
def test_no_bytes_cause_another_error_when_reduced(data: bytes) -> None:
    with contextlib.suppress(ImageError):
        decode_reduced(b"\xff\xd8\xff" + data, longest_px=64)
