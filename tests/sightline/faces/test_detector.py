"""The detector is held against facenet-pytorch's own MTCNN, run by tests/golden/faces/make.py."""

import functools
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sightline.errors import ModelError
from sightline.faces.detector import Detections, Detector, load_networks
from sightline.faces.engines import Engine
from sightline.faces.image import Frame
from sightline.faces.recognizer import Recognizer

from . import golden

# Float32 in another order. A box whose edge lies on a whole pixel may be cut off to the next one
# when it is passed on, which moved one face in 1,600 by 0.27 px; none of these.
TOLERANCE_PX = 0.01
TOLERANCE_PROBABILITY = 1e-5

CASES = golden.mtcnn_cases()
EVERYWHERE = [case for case in CASES if case["picture"].startswith("data/")]
IN_CLIPS = [case for case in CASES if case["picture"].startswith("clips/")]
IN_PHOTOGRAPHS = [case for case in CASES if case not in IN_CLIPS]


def differences(case: dict[str, Any], frame: Frame) -> list[str]:
    """What our detector finds otherwise in *frame* than the reference did, in words."""
    name = f"{case['picture']} at {case['smallest_face_px']} px"
    if golden.digest(frame) != case["pixels"]:
        return [f"{name}: decoded to other pixels than when the golden values were made"]
    found = looking_for(case["smallest_face_px"]).detect(frame)
    if len(found) != len(case["boxes"]):
        return [f"{name}: {len(found)} faces, not {len(case['boxes'])}"]
    if not len(found):
        return []
    off = {
        "boxes": (np.abs(found.boxes - case["boxes"]).max(), TOLERANCE_PX),
        "landmarks": (np.abs(found.landmarks - case["landmarks"]).max(), TOLERANCE_PX),
        "probabilities": (
            np.abs(found.probabilities - case["probabilities"]).max(),
            TOLERANCE_PROBABILITY,
        ),
    }
    return [f"{name}: {what} off by {by:.3g}" for what, (by, most) in off.items() if by > most]


@functools.cache
def looking_for(smallest_face_px: int) -> Detector:
    return Detector(smallest_face_px=smallest_face_px)


@pytest.mark.parametrize("case", EVERYWHERE, ids=lambda case: case["picture"])
def test_the_portraits_give_what_facenet_pytorch_finds(
    case: dict[str, Any], tmp_path: Path
) -> None:
    assert differences(case, golden.frame_of(case["picture"], tmp_path)) == []


@pytest.mark.photographs
def test_every_photograph_gives_what_facenet_pytorch_finds(photographs: Path) -> None:
    wrong = [
        line
        for case in IN_PHOTOGRAPHS
        for line in differences(case, golden.frame_of(case["picture"], photographs))
    ]

    assert wrong == []
    assert len(IN_PHOTOGRAPHS) >= 31


@pytest.mark.photographs
@pytest.mark.parametrize("clip", ["clips/hamilton.mp4", "clips/office-people.mp4"])
def test_every_tenth_frame_of_the_clips_gives_what_facenet_pytorch_finds(
    clip: str, photographs: Path
) -> None:
    cases: dict[int, list[dict[str, Any]]] = {}
    for case in IN_CLIPS:
        name, _, number = case["picture"].partition("#")
        if name == clip:
            cases.setdefault(int(number), []).append(case)

    wrong = []
    for number, frame in golden.frames_of(photographs / clip, cases):
        for case in cases.pop(number):
            wrong += differences(case, frame)

    assert wrong == []
    assert not cases, "these frames could not be read"


@pytest.mark.parametrize("name", ["pnet", "rnet", "onet"])
def test_each_rewritten_network_answers_as_the_published_one(name: str) -> None:
    pixels, expected = golden.published_answers()[name]
    network = dict(zip(("pnet", "rnet", "onet"), load_networks(), strict=True))[name]

    np.testing.assert_allclose(network.run(pixels), expected, atol=2e-5)


def test_a_face_below_40_px_is_found_if_asked_for_and_called_too_small(
    engine: Engine, collins: Frame
) -> None:
    frame = np.full((240, 320, 3), 120, np.uint8)
    frame[60:150, 90:180] = cv2.resize(collins, (90, 90), interpolation=cv2.INTER_AREA)

    asked = Recognizer(looking_for(20), engine).see(frame).faces
    not_asked = Recognizer(looking_for(40), engine).see(frame).faces

    assert [(face.quality.verdict, face.embedding) for face in asked] == [("too_small", None)]
    assert 10 < asked[0].quality.side_px < 40
    assert not_asked == ()


def test_the_largest_face_comes_first(detector: Detector, hopper: Frame, collins: Frame) -> None:
    frame = np.zeros((600, 1024, 3), np.uint8)
    frame[:512, :512] = collins
    frame[:, 512:] = hopper[:600, :512]

    found = detector.detect(frame)

    sizes = (found.boxes[:, 2:] - found.boxes[:, :2]).prod(axis=1)
    assert len(found) == 2
    assert sizes[0] > sizes[1]
    assert found.boxes[0, 0] > 512  # Grace Hopper's is


def test_a_view_of_another_array_is_as_good_as_a_copy(detector: Detector, hopper: Frame) -> None:
    bgr = np.ascontiguousarray(hopper[:, :, ::-1])

    found = detector.detect(bgr[:, :, ::-1])

    np.testing.assert_array_equal(found.boxes, detector.detect(hopper).boxes)


def test_two_threads_of_the_processor_find_the_same(detector: Detector, hopper: Frame) -> None:
    np.testing.assert_allclose(
        Detector(threads=2).detect(hopper).boxes, detector.detect(hopper).boxes, atol=TOLERANCE_PX
    )


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 500), (39, 39), (40, 40), (41, 700), (480, 640), (100, 10_000)]
)
def test_an_empty_frame_of_any_shape_has_no_faces(
    detector: Detector, shape: tuple[int, int]
) -> None:
    found = detector.detect(np.full((*shape, 3), 90, np.uint8))

    assert found.boxes.shape == (0, 4)
    assert found.probabilities.shape == (0,)
    assert found.landmarks.shape == (0, 5, 2)


def test_noise_has_no_faces(detector: Detector) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (300, 400, 3), dtype=np.uint8)

    assert len(detector.detect(noise)) == 0


def test_a_face_cut_off_by_the_edge_is_no_error(detector: Detector, hopper: Frame) -> None:
    for crop in (hopper[60:, 240:], hopper[:150], hopper[:, :260], hopper[130:220, 200:300]):
        detector.detect(np.ascontiguousarray(crop))


@pytest.mark.parametrize(
    "frame",
    [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9, 3), np.float32)],
)
def test_what_is_no_frame_is_refused(detector: Detector, frame: Any) -> None:
    with pytest.raises(ValueError, match="is no frame"):
        detector.detect(frame)


def test_a_face_smaller_than_pnet_sees_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="less than 12"):
        Detector(smallest_face_px=11)


def test_detections_of_unlike_number_are_refused() -> None:
    with pytest.raises(ValueError, match="are not those of 1 detections"):
        Detections(
            boxes=np.zeros((1, 4), np.float32),
            probabilities=np.zeros(2, np.float32),
            landmarks=np.zeros((1, 5, 2), np.float32),
        )


MODELS = Path(golden.TESTS.parent / "sightline" / "faces" / "models")


def test_the_manifest_names_source_licence_and_script_of_every_network() -> None:
    manifest = json.loads((MODELS / "manifest.json").read_text())

    assert set(manifest) == {path.name for path in MODELS.glob("*.onnx")}
    for entry in manifest.values():
        assert entry.keys() >= {"sha256", "source", "licence", "made_by"}
        assert (golden.TESTS.parent / entry["made_by"]).is_file()


def test_a_damaged_network_is_named(tmp_path: Path) -> None:
    shutil.copytree(MODELS, tmp_path, dirs_exist_ok=True)
    with (tmp_path / "rnet.onnx").open("r+b") as file:
        file.write(b"\x00\x00")

    with pytest.raises(ModelError, match=r"rnet\.onnx is damaged"):
        load_networks(tmp_path)


def test_a_missing_network_is_named(tmp_path: Path) -> None:
    shutil.copytree(MODELS, tmp_path, dirs_exist_ok=True)
    (tmp_path / "onet.onnx").unlink()

    with pytest.raises(ModelError, match=r"onet\.onnx cannot be read"):
        load_networks(tmp_path)


@pytest.mark.parametrize("content", [None, b"{", b"[]", b'{"pnet.onnx": {}}'])
def test_a_damaged_manifest_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_bytes(content)

    with pytest.raises(ModelError, match=r"manifest\.json is damaged: install sightline again"):
        load_networks(tmp_path)
