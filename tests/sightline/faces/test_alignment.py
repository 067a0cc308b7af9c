"""A face is brought to where the template wants it, whatever its size and turn."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.faces.alignment import align, similarity
from sightline.faces.dlib import TEMPLATE
from sightline.faces.image import Frame

points = st.lists(
    st.tuples(st.floats(0, 1000, width=32), st.floats(0, 1000, width=32)), min_size=5, max_size=5
)


def picture(height: int, width: int) -> Frame:
    """Smooth waves, which survive any resampling, another in each colour."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 19 + k) + np.cos(y / 23 - k) for k in range(3)]
    return (np.stack(waves, axis=2) * 60 + 128).astype(np.uint8)


@given(points, st.floats(0.05, 20), st.floats(-np.pi, np.pi), st.floats(-500, 500))
def test_a_known_turn_scale_and_shift_is_found(
    source: list[tuple[float, float]], scale: float, angle: float, shift: float
) -> None:
    z = np.array(source, np.float32)
    if z.std() < 1:
        z[0] += 100
    a, b = scale * np.exp(1j * angle), shift - 2j * shift
    w = a * (z[:, 0] + 1j * z[:, 1]) + b

    got_a, got_b = similarity(z, np.stack([w.real, w.imag], axis=1).astype(np.float64))

    assert got_a == pytest.approx(a, rel=1e-6)
    assert got_b == pytest.approx(b, rel=1e-6, abs=1e-2)


@given(points, points, st.complex_numbers(max_magnitude=0.05), st.complex_numbers(max_magnitude=5))
def test_no_other_similarity_is_nearer(
    source: list[tuple[float, float]], target: list[tuple[float, float]], da: complex, db: complex
) -> None:
    z, w = np.array(source, np.float32), np.array(target, np.float32)
    if z.std() < 1:
        z[0] += 100
    a, b = similarity(z, w)
    zc, wc = z @ [1, 1j], w @ [1, 1j]

    def error(a: complex, b: complex) -> float:
        return float((np.abs(a * zc + b - wc) ** 2).sum())

    assert error(a, b) <= error(a + da, b + db) * (1 + 1e-9) + 1e-6


def test_landmarks_at_one_place_are_refused() -> None:
    with pytest.raises(ValueError, match="at one place"):
        align(picture(50, 50), np.full((5, 2), 7, np.float32), TEMPLATE, 150)


def test_landmarks_where_the_template_has_them_change_nothing() -> None:
    frame = picture(150, 150)

    np.testing.assert_array_equal(align(frame, TEMPLATE, TEMPLATE, 150), frame)


@pytest.mark.parametrize("scale", [0.8, 1.9, 2.1, 3.7, 6.5, 13.0])
@pytest.mark.parametrize("degrees", [0, 35, 180])
def test_a_face_of_any_size_and_turn_gives_the_same_chip(scale: float, degrees: float) -> None:
    chip = picture(150, 150)
    a = scale * np.exp(1j * np.radians(degrees))
    size = int(260 * scale)
    b = complex(size / 2, size / 2) - a * (75 + 75j)
    matrix = np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])
    frame = cv2.warpAffine(chip, matrix, (size, size), flags=cv2.INTER_LINEAR)
    moved = a * (TEMPLATE @ [1, 1j]) + b
    landmarks = np.stack([moved.real, moved.imag], axis=1).astype(np.float32)

    got = align(np.asarray(frame, np.uint8), landmarks, TEMPLATE, 150)

    inner = np.s_[8:-8, 8:-8]  # at the rim, black is mixed in
    assert np.abs(got[inner].astype(int) - chip[inner]).max() <= 3


def test_what_lies_outside_the_frame_is_black() -> None:
    frame = np.full((150, 150, 3), 200, np.uint8)

    chip = align(frame, TEMPLATE + np.array([75, 0], np.float32), TEMPLATE, 150)

    assert (chip[:, :74] == 200).all()
    assert (chip[:, 76:] == 0).all()


def test_a_face_wholly_outside_a_large_frame_is_black() -> None:
    frame = np.full((500, 500, 3), 200, np.uint8)

    chip = align(frame, TEMPLATE * 4 + np.float32(5000), TEMPLATE, 150)

    assert not chip.any()


def test_halving_keeps_what_skipping_pixels_would_lose() -> None:
    """A fine checkerboard, shrunk eightfold, is grey, and neither black nor white."""
    board = (np.indices((1200, 1200)).sum(axis=0) % 2 * 255).astype(np.uint8)
    frame = np.repeat(board[:, :, None], 3, axis=2)

    chip = align(frame, TEMPLATE * 8, TEMPLATE, 150)

    assert chip[5:-5, 5:-5].min() > 120
    assert chip[5:-5, 5:-5].max() < 136
