"""Sharp faces pass, dark or small; blurred ones do not."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from sightline.faces.alignment import Chip, align
from sightline.faces.detector import Detector
from sightline.faces.dlib import TEMPLATE
from sightline.faces.image import Frame, decode
from sightline.faces.quality import LEAST_SHARPNESS, judge, sharpness

HEAVY = 0.06  # of the face's width: a Gaussian at which the engine no longer recognises most


def chips(detector: Detector, frame: Frame, *, blur: float = 0.0) -> list[tuple[Chip, bool]]:
    """Each face's chip, and whether it lies wholly within the frame."""
    found, out = detector.detect(frame), []
    for box, points in zip(found.boxes, found.landmarks, strict=True):
        sigma = blur * float((box[2:] - box[:2]).min())
        blurred = cv2.GaussianBlur(frame, (0, 0), sigma) if blur else frame
        chip = align(np.asarray(blurred, np.uint8), points, TEMPLATE, 150)
        out.append((chip, bool((box >= 0).all() and (box[2:] < frame.shape[1::-1]).all())))
    return out


def test_a_portrait_is_good(detector: Detector, hopper: Frame, collins: Frame) -> None:
    for frame in (hopper, collins):
        [(chip, _)] = chips(detector, frame)
        quality = judge(88, chip)

        assert quality.verdict == "good"
        assert quality.sharpness == pytest.approx(sharpness(chip))


def test_a_blurred_portrait_is_blurred(detector: Detector, hopper: Frame, collins: Frame) -> None:
    for frame in (hopper, collins):
        [(chip, _)] = chips(detector, frame, blur=HEAVY)
        quality = judge(88, chip)

        assert quality.verdict == "blurred"
        assert quality.sharpness is not None
        assert quality.sharpness < LEAST_SHARPNESS


def test_a_dark_portrait_is_not_called_blurred(detector: Detector, hopper: Frame) -> None:
    [(chip, _)] = chips(detector, hopper)

    assert judge(88, (chip * 0.2).astype(np.uint8)).verdict == "good"


def test_a_plain_surface_has_no_sharpness() -> None:
    assert sharpness(np.full((150, 150, 3), 99, np.uint8)) == 0


def test_one_px_decides_what_is_too_small(detector: Detector, hopper: Frame) -> None:
    [(chip, _)] = chips(detector, hopper)

    assert judge(39.9, chip).verdict == "too_small"
    assert judge(39.9, chip).sharpness is None
    assert judge(40.0, chip).verdict == "good"
    assert judge(39.9, chip, smallest_side_px=20).verdict == "good"


def test_the_measured_side_is_kept() -> None:
    assert judge(12.5, None).side_px == 12.5


@pytest.mark.photographs
def test_every_photograph_is_sharp_and_none_is_when_blurred(
    detector: Detector, photographs: Path
) -> None:
    wrong, seen = [], 0
    for path in sorted(photographs.glob("enrol/*/*")) + sorted(photographs.glob("probe/*")):
        frame = decode(path.read_bytes())
        for blur, verdict in ((0.0, "good"), (HEAVY, "blurred")):
            for i, (chip, whole) in enumerate(chips(detector, frame, blur=blur)):
                # Where the frame's edge cuts through a face, the edge itself is sharp.
                if whole or not blur:
                    seen += 1
                    found = judge(100, chip)
                    if found.verdict != verdict:
                        wrong.append(f"{path.name} face {i} at blur {blur}: {found}")

    assert wrong == []
    assert seen >= 65
