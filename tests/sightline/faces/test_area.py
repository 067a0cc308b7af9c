"""Shrinking is held against the definition of adaptive average pooling, bin by bin."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sightline.faces.area import Integral


def pooled(part: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float64]:
    """The oracle: (3, height, width)."""
    h, w = part.shape[:2]
    out = np.empty((3, height, width))
    for i in range(height):
        for j in range(width):
            y1, y2 = math.floor(i * h / height), math.ceil((i + 1) * h / height)
            x1, x2 = math.floor(j * w / width), math.ceil((j + 1) * w / width)
            out[:, i, j] = part[y1:y2, x1:x2].mean(axis=(0, 1))
    return out


sides = st.integers(1, 40)
seeds = st.integers(0, 2**32 - 1)


@given(seeds, sides, sides, st.integers(1, 20), st.integers(1, 20))
def test_a_resized_frame_is_the_mean_of_each_bin(
    seed: int, h: int, w: int, height: int, width: int
) -> None:
    frame = np.random.default_rng(seed).integers(0, 256, (h, w, 3), dtype=np.uint8)

    got = Integral(frame).resized(height, width)

    assert got.dtype == np.float32
    np.testing.assert_allclose(got[0], pooled(frame, height, width), rtol=1e-6)


@given(seeds, sides, sides, st.integers(1, 20), st.integers(1, 20), st.data())
def test_some_rows_of_a_resized_frame_are_those_of_the_whole(
    seed: int, h: int, w: int, height: int, width: int, data: st.DataObject
) -> None:
    integral = Integral(np.random.default_rng(seed).integers(0, 256, (h, w, 3), dtype=np.uint8))
    start = data.draw(st.integers(0, height - 1))
    rows = slice(start, data.draw(st.integers(start + 1, height)))

    got = integral.resized(height, width, rows)

    np.testing.assert_array_equal(got, integral.resized(height, width)[:, :, rows])


def test_bins_whose_sums_do_not_fit_16_bits_are_the_right_means() -> None:
    frame = np.full((64, 64, 3), 255, dtype=np.uint8)

    # 16 x 16 pixels of 255 are 65,280; 17 x 16 are more than 65,535.
    for side in (1, 2, 3, 4):
        np.testing.assert_array_equal(Integral(frame).resized(side, side), 255)


@given(seeds, sides, sides, st.integers(1, 12), st.data())
def test_a_crop_is_the_mean_of_each_bin_of_its_box(
    seed: int, h: int, w: int, size: int, data: st.DataObject
) -> None:
    frame = np.random.default_rng(seed).integers(0, 256, (h, w, 3), dtype=np.uint8)
    boxes = []
    for _ in range(data.draw(st.integers(1, 4))):
        x1, y1 = data.draw(st.integers(0, w - 1)), data.draw(st.integers(0, h - 1))
        x2, y2 = data.draw(st.integers(x1 + 1, w)), data.draw(st.integers(y1 + 1, h))
        boxes.append((x1, y1, x2, y2))

    got = Integral(frame).crops(np.array(boxes, dtype=np.int64), size)

    for crop, (x1, y1, x2, y2) in zip(got, boxes, strict=True):
        np.testing.assert_allclose(crop, pooled(frame[y1:y2, x1:x2], size, size), rtol=1e-6)


def test_sums_that_no_longer_fit_32_bits_give_the_right_means() -> None:
    frame = np.full((3000, 4000, 3), 255, dtype=np.uint8)  # 3.06e9 in the last corner
    frame[2000:, 3000:] = 7

    integral = Integral(frame)

    np.testing.assert_array_equal(integral.resized(3, 4)[0, 0], [[255] * 4] * 2 + [[255] * 3 + [7]])
    corner = np.array([[3000, 2000, 4000, 3000]], dtype=np.int64)
    np.testing.assert_array_equal(integral.crops(corner, 24), np.full((1, 3, 24, 24), 7))
