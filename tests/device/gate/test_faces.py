from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from device.cameras.camera import Captured, Image
from device.cameras.clip_camera import ClipCamera
from device.gate.building import face_finder
from device.gate.faces import FaceCheck
from device.gate.gate import FaceFinder, Seen
from device.gate.settings import GateSettings
from device.settings import CameraSettings
from infra.gating.scenes import Light, Visit, dimmed, noisy, scene
from infra.gating.trial import PlayedTime, Trial, attempt, captured, played, usable_faces
from sightline.faces.detector import Detections
from sightline.faces.image import Frame
from tests.conftest import DATA

CHECK_S = 0.016


class Timed:
    """A face check that is taken to take as long on any machine."""

    def __init__(self, finder: FaceFinder) -> None:
        self._finder, self._spent_s = finder, 0.0

    def look(self, image: Image) -> Seen:
        self._spent_s += CHECK_S
        return self._finder.look(image)

    def clock(self) -> float:
        return self._spent_s


@pytest.fixture(scope="module")
def check() -> FaceFinder:
    """As an agent builds it by default: it looks for faces from 40 px on, coarsely."""
    return face_finder(GateSettings(), CameraSettings(source="none"))


@pytest.fixture(scope="module")
def portrait() -> Image:
    image = cv2.imread(str(DATA / "grace-hopper.jpg"))
    assert image is not None
    return np.asarray(image, np.uint8)


def by_faces(frames: Iterator[Captured], check: FaceFinder, **options: object) -> Trial:
    timed = Timed(check)
    return attempt(
        frames,
        GateSettings(),
        timed,
        interval_s=0.5,
        cost_clock=timed.clock,
        **options,  # type: ignore[arg-type]
    )


def test_a_face_is_found_with_its_size_and_sharpness(check: FaceFinder, portrait: Image) -> None:
    seen = check.look(portrait)

    assert seen.faces == 1
    assert seen.side_px == pytest.approx(184, abs=12)
    assert seen.score > 0.5


def test_a_blurred_face_and_a_smaller_one_score_less(check: FaceFinder, portrait: Image) -> None:
    blurred = np.asarray(cv2.GaussianBlur(portrait, (0, 0), 5), np.uint8)
    small = np.asarray(cv2.resize(portrait, None, fx=0.3, fy=0.3), np.uint8)

    scores = [check.look(each).score for each in (portrait, small, blurred)]
    assert scores[0] > scores[1] > 0
    assert scores[0] > scores[2]


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((480, 640, 3), np.uint8),
        np.zeros((1, 1, 3), np.uint8),
        np.full((30, 200, 3), 255, np.uint8),
        np.zeros((60, 80), np.uint8),
        np.zeros((60, 80, 1), np.uint8),
    ],
    ids=lambda image: "x".join(map(str, image.shape)),
)
def test_there_is_no_face_in_a_plain_picture_of_any_shape(check: FaceFinder, image: Image) -> None:
    assert check.look(image) == Seen(faces=0)


def test_a_grey_picture_has_its_face(check: FaceFinder, portrait: Image) -> None:
    assert check.look(np.asarray(cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY), np.uint8)).faces == 1


def test_a_frame_is_looked_at_as_it_will_be_sent(portrait: Image) -> None:
    shapes = []

    class Recording:
        def detect(self, frame: Frame) -> Detections:
            shapes.append(frame.shape)
            none = np.empty((0, 4), np.float32)
            return Detections(
                boxes=none, probabilities=none[:, 0], landmarks=np.empty((0, 5, 2), np.float32)
            )

    FaceCheck(Recording(), within=(256, 256)).look(portrait)

    assert shapes == [(256, 218, 3)]


def test_landmarks_all_at_one_place_do_no_harm(portrait: Image) -> None:
    class Odd:
        def detect(self, frame: Frame) -> Detections:
            return Detections(
                boxes=np.array([[1, 1, 60, 60]], np.float32),
                probabilities=np.ones(1, np.float32),
                landmarks=np.zeros((1, 5, 2), np.float32),
            )

    assert FaceCheck(Odd()).look(portrait).faces == 1


def test_nothing_passes_of_an_empty_room_whose_light_is_switched(check: FaceFinder) -> None:
    light = Light(drift=0.02, switched_s=(8, 16))
    shown = scene(24, noise=6, light=light, fps=5)

    assert by_faces((captured(each.image, each.at_s) for each in shown), check).sent == []


@pytest.mark.parametrize("face_px", [40, 60])
def test_who_walks_in_stands_still_for_a_minute_and_leaves_is_not_missed(
    check: FaceFinder, face_px: float
) -> None:
    visit = Visit(from_s=8, stands_s=60, face_px=face_px)
    shown = list(scene(visit.until_s + 8, visit=visit, fps=5))
    somebody = {each.at_s: int(each.somebody) for each in shown}
    trial = by_faces(
        (captured(each.image, each.at_s) for each in shown),
        check,
        truth=lambda frame: somebody[frame.captured_s],
    )

    there = [look for look in trial.looks if look.usable]
    assert len(there) > 300
    assert len(trial.missed()) <= 0.01 * len(there)
    assert all(look.usable or look.verdict.faces for look in trial.sent)
    first_s = there[0].at_s
    assert min(look.at_s for look in trial.sent) <= first_s + 1


@pytest.mark.photographs
@pytest.mark.parametrize("worse", ["as it is", "dimmed", "noisy"])
@pytest.mark.parametrize("clip", ["hamilton.mp4", "office-people.mp4"])
def test_of_a_clip_no_usable_face_is_missed(
    clip: str, worse: str, check: FaceFinder, photographs: Path
) -> None:
    random = np.random.default_rng(0)
    pace = PlayedTime(0.2)

    def frames() -> Iterator[Captured]:
        for each in played(ClipCamera(photographs / "clips" / clip, clock=pace), pace):
            image = np.asarray(cv2.resize(each.image, (960, 540)), np.uint8)
            image = dimmed(image) if worse == "dimmed" else image
            yield captured(noisy(image, random) if worse == "noisy" else image, each.captured_s)

    trial = by_faces(frames(), check, truth=usable_faces())

    there = [look for look in trial.looks if look.usable]
    assert len(there) >= 10
    assert trial.missed() == []
    assert len(trial.sent) < len(trial.looks)
