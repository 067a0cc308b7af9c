import cv2
import numpy as np
import pytest

from device.cameras.camera import Image
from device.gate.sharpness import Focus, sharpness
from tests.conftest import DATA


@pytest.fixture(scope="module")
def portrait() -> Image:
    image = cv2.imread(str(DATA / "eileen-collins.png"))
    assert image is not None
    return np.asarray(image, np.uint8)


def test_the_more_it_is_blurred_the_less_sharp_it_is(portrait: Image) -> None:
    blurred = [portrait] + [
        np.asarray(cv2.GaussianBlur(portrait, (0, 0), sigma), np.uint8) for sigma in (1, 2, 4)
    ]
    values = [sharpness(each) for each in blurred]

    assert values == sorted(values, reverse=True)
    assert values[0] > 4 * values[2]


def test_a_dimmed_picture_is_about_as_sharp(portrait: Image) -> None:
    dim = (portrait * 0.4).astype(np.uint8)

    assert sharpness(dim) == pytest.approx(sharpness(portrait), rel=0.5)


def test_only_the_region_is_looked_at(portrait: Image) -> None:
    half = portrait.copy()
    half[:, : half.shape[1] // 2] = 128

    assert sharpness(half, (0, 0, half.shape[1] // 2, half.shape[0])) == 0
    assert sharpness(half) > 0


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 9, 3), (3, 3, 3), (20, 30), (20, 30, 1)])
def test_a_picture_of_any_shape_has_a_sharpness(shape: tuple[int, ...]) -> None:
    assert sharpness(np.full(shape, 7, np.uint8)) == 0


def test_a_frame_much_less_sharp_than_the_one_before_waits_but_not_for_long() -> None:
    focus = Focus()

    assert focus.sharp_enough(1.0, 0.0)
    assert [focus.sharp_enough(0.2, at_s) for at_s in (0.1, 0.2, 0.3)] == [False] * 3
    assert focus.sharp_enough(0.2, 0.4)  # it may be out of focus for good
    assert not focus.sharp_enough(0.2, 0.5)
    assert focus.sharp_enough(0.2, 1.2)  # the sharp one is long ago
