"""Stills are upright, in square pixels and true colours, and no larger than wanted."""

import gc
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from cloud.videos.film import open_film
from cloud.videos.sampling import Sampling
from tests.cloud.videos.film_making import Picture, write_film


def first(path: Path) -> Picture:
    with open_film(path) as film:
        return next(film.stills(Sampling())).frame


def corners(picture: Picture) -> list[str]:
    """Name the colours of the corners, clockwise from the top left."""
    names = {(1, 0, 0): "red", (0, 1, 0): "green", (0, 0, 1): "blue", (1, 1, 1): "white"}
    rows, columns = (8, -8), (8, -8)
    places = [(rows[0], columns[0]), (rows[0], columns[1]), (rows[1], columns[1])]
    places.append((rows[1], columns[0]))
    return [names[tuple(int(v > 128) for v in picture[place])] for place in places]


def cornered() -> Picture:
    """Draw a picture of 96 x 64 with red, green, blue and white corners, clockwise."""
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:32, :48] = (255, 0, 0)
    picture[:32, 48:] = (0, 255, 0)
    picture[32:, 48:] = (0, 0, 255)
    picture[32:, :48] = (255, 255, 255)
    return picture


@pytest.mark.parametrize(
    ("turned", "expected", "shape"),
    [
        (0, ["red", "green", "blue", "white"], (64, 96)),
        (90, ["green", "blue", "white", "red"], (96, 64)),
        (180, ["blue", "white", "red", "green"], (64, 96)),
        (-90, ["white", "red", "green", "blue"], (96, 64)),
    ],
)
@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_film_that_is_to_be_turned_comes_upright(
    tmp_path: Path, ending: str, turned: float, expected: list[str], shape: tuple[int, int]
) -> None:
    path = write_film(tmp_path / f"a.{ending}", [cornered()] * 3, turned=turned)

    with open_film(path) as film:
        still = next(film.stills(Sampling()))
        assert (film.height, film.width) == shape

    assert still.frame.shape == (*shape, 3)
    assert corners(still.frame) == expected


def tkhd_matrix(path: Path, values: tuple[int, ...]) -> None:
    """Write a matrix into the header of an MP4's track, as a phone does."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version 0: the matrix comes after 40 bytes
    fixed = [65536 * value for value in values]
    data[at : at + 36] = struct.pack(">9i", *fixed[:2], 0, *fixed[2:], 0, 0, 0, 1 << 30)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((0, 1, -1, 0), ["white", "red", "green", "blue"]),  # a phone upright: a quarter clockwise
        ((0, -1, 1, 0), ["green", "blue", "white", "red"]),
        ((-1, 0, 0, 1), ["green", "red", "white", "blue"]),  # a mirror, as some front cameras write
        ((1, 0, 0, -1), ["white", "blue", "green", "red"]),
        ((0, 1, 1, 0), ["red", "white", "blue", "green"]),
        ((0, 0, 0, 0), ["red", "green", "blue", "white"]),  # nonsense: as it is
    ],
)
def test_the_matrix_in_an_mp4_is_followed(
    tmp_path: Path, matrix: tuple[int, ...], expected: list[str]
) -> None:
    path = write_film(tmp_path / "a.mp4", [cornered()] * 3)
    tkhd_matrix(path, matrix)
    assert corners(first(path)) == expected


@pytest.mark.parametrize("turned", [0, 90])
def test_no_frame_waits_for_the_garbage_collector(tmp_path: Path, turned: float) -> None:
    path = write_film(tmp_path / "a.mp4", [cornered()] * 40, turned=turned)
    gc.collect()
    gc.disable()
    try:
        with open_film(path) as film:
            taken = sum(1 for _ in film.stills(Sampling.parse("all")))
        held = sum(isinstance(each, av.VideoFrame) for each in gc.get_objects())
    finally:
        gc.enable()

    assert taken == 40
    assert held < 5


def test_pixels_that_are_not_square_are_made_square(tmp_path: Path) -> None:
    path = write_film(tmp_path / "dv.mkv", [cornered()] * 3, pixel=Fraction(4, 3))
    with open_film(path) as film:
        assert (film.width, film.height) == (128, 64)
    assert first(path).shape == (64, 128, 3)


def test_a_large_film_is_made_smaller(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", [cornered()] * 3)
    with open_film(path, longest_px=48) as film:
        still = next(film.stills(Sampling()))
        assert (film.width, film.height) == (96, 64)
    assert still.frame.shape == (32, 48, 3)
    assert corners(still.frame) == ["red", "green", "blue", "white"]


def test_8k_is_made_smaller_before_it_becomes_rgb(tmp_path: Path) -> None:
    picture = np.kron(cornered(), np.ones((68, 80, 1), np.uint8))[:4320]
    path = write_film(tmp_path / "8k.mp4", [picture])
    with open_film(path) as film:
        still = next(film.stills(Sampling()))
        assert (film.width, film.height) == (7680, 4320)
    assert still.frame.shape == (1080, 1920, 3)
    assert corners(still.frame) == ["red", "green", "blue", "white"]


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"pixels": "yuv420p10le"},
        {"pixels": "yuv444p"},
        {"pixels": "yuvj420p", "codec": "mjpeg", "options": {"b": "9M"}},  # black is 0, not 16
    ],
)
def test_colours_come_as_they_went(tmp_path: Path, how: dict[str, object]) -> None:
    picture = np.full((64, 64, 3), (200, 150, 120), np.uint8)
    path = write_film(tmp_path / "a.mkv", [picture] * 3, **how)  # type: ignore[arg-type]
    assert np.abs(first(path).astype(int) - (200, 150, 120)).max() <= 6
