"""Frames and faces at the edge of what can be: none of them may cause an error."""

import io

import numpy as np
import pytest
from PIL import Image

from sightline.faces.alignment import align
from sightline.faces.detector import Detector
from sightline.faces.engines import Engine
from sightline.faces.image import Frame, decode
from sightline.faces.recognizer import Recognizer


@pytest.mark.parametrize(
    ("width", "height"),
    [(10_000, 100), (100, 10_000), (10_000, 39), (1, 1), (5000, 1), (40, 40), (41, 3000)],
)
def test_a_frame_of_any_shape_is_looked_at(recognizer: Recognizer, width: int, height: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)

    for face in recognizer.see(noise).faces:
        x, y, w, h = face.box
        assert 0 <= x < x + w <= width
        assert 0 <= y < y + h <= height


def test_a_face_is_found_in_a_strip_of_10000_by_200(detector: Detector, hopper: Frame) -> None:
    strip = np.full((200, 10_000, 3), 120, np.uint8)
    small = hopper[: hopper.shape[0] // 3 * 3 : 3, : hopper.shape[1] // 3 * 3 : 3]
    strip[: small.shape[0], 7000 : 7000 + small.shape[1]] = small

    [box] = detector.detect(strip).boxes

    assert 7000 < box[0] < box[2] < 7000 + small.shape[1]


@pytest.mark.parametrize("size", [(10_000, 100), (100, 10_000)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_file_of_such_a_shape_is_looked_at(
    recognizer: Recognizer, size: tuple[int, int], kind: str
) -> None:
    file = io.BytesIO()
    Image.new("RGB", size, "grey").save(file, kind)

    assert not recognizer.see(decode(file.getvalue())).faces


@pytest.mark.parametrize("keep", ["left", "right", "top", "bottom"])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.35, 0.5, 0.65, 0.9, 0.98])
def test_a_face_cut_off_by_the_edge_is_no_error(
    recognizer: Recognizer, hopper: Frame, keep: str, share: float
) -> None:
    # Her face lies at x 164 to 348 and y 106 to 344.
    x, y = int(164 + share * 184), int(106 + share * 238)
    part = {
        "left": hopper[:, :x],
        "right": hopper[:, x:],
        "top": hopper[:y],
        "bottom": hopper[y:],
    }[keep]

    for face in recognizer.see(part).faces:
        left, top, width, height = face.box
        assert width > 0
        assert height > 0
        assert left + width <= part.shape[1]
        assert top + height <= part.shape[0]


@pytest.mark.parametrize("shift", [(-5000, 0), (5000, 0), (0, -5000), (0, 5000), (-120, -120)])
@pytest.mark.parametrize("scale", [0.2, 1, 30])
def test_landmarks_outside_the_frame_give_a_chip_all_the_same(
    engine: Engine, hopper: Frame, shift: tuple[float, float], scale: float
) -> None:
    points = (engine.template * scale + np.array(shift)).astype(np.float32)

    chip = align(hopper, points, engine.template, engine.chip_size)

    assert chip.shape == (150, 150, 3)
    if max(map(abs, shift)) == 5000 and scale < 30:
        assert not chip.any()  # nothing of the picture is there
    assert np.isfinite(engine.embed(chip[None])).all()
