"""The INT8 form of dlib's network, from two portraits and noise."""

from pathlib import Path

import numpy as np
import pytest

from infra.export.int8 import Effect, Faces, cut_faces, measure, quantise
from infra.quantising import quantise_engine
from sightline.errors import ConfigError
from sightline.faces import dlib
from sightline.faces.detector import Detector
from sightline.faces.engines import engine_card, load_engine
from sightline.faces.image import decode

PORTRAITS = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engines")
    quantise_engine("dlib", PORTRAITS, folder, say=lambda _: None)
    return folder


def test_it_is_an_engine_of_its_own_near_to_the_full_one(folder: Path) -> None:
    full, small = load_engine("dlib", folder=folder), load_engine("dlib-int8", folder=folder)
    faces, none = cut_faces(
        [(file.stem, decode(file.read_bytes())) for file in sorted(PORTRAITS.glob("*.[jp][pn]g"))],
        Detector(),
        dlib.CARD,
    )

    moved = np.linalg.norm(full.embed(faces.chips) - small.embed(faces.chips), axis=1)

    assert none == 0
    assert small.id.startswith("dlib-resnet@1-int8-")
    assert small.threshold == full.threshold
    # Full-range weights give 0.20 and more on a processor without VNNI.
    assert 0 < moved.max() < 0.12
    assert (folder / "dlib-resnet-1-int8.onnx").stat().st_size < 6_000_000


def test_what_it_changes_is_on_its_card(folder: Path) -> None:
    effect = Effect(**engine_card("dlib-int8", folder).notes["effect"])

    assert (effect.faces, effect.people, effect.pairs, effect.decisions) == (2, 2, 1, 2)
    assert effect.decisions_changed == effect.pairs_changed == 0
    assert "0 of 2 decisions and 0 of 1 pairs changed" in str(effect)


def test_other_decisions_are_counted() -> None:
    class Fixed:
        id, threshold, margin, doubt = "fixed@1", 0.5, 0.0, 0.0

        def __init__(self, rows: list[list[float]]) -> None:
            self._rows = np.array(rows, np.float32)

        def embed(self, chips: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
            return self._rows

    faces = Faces(chips=np.zeros((3, 4, 4, 3), np.uint8), people=("ada", "ada", "bob"))
    full, small = Fixed([[0, 0], [0.4, 0], [9, 0]]), Fixed([[0, 0], [0.6, 0], [9, 0]])

    effect = measure(full, small, faces)  # type: ignore[arg-type]

    assert (effect.pairs, effect.pairs_changed) == (3, 1)
    assert (effect.decisions, effect.decisions_changed) == (3, 2)
    assert effect.greatest_distance == pytest.approx(0.2)
    assert effect.median_distance == 0


def test_one_face_is_too_few(tmp_path: Path) -> None:
    one = Faces(chips=np.zeros((1, 150, 150, 3), np.uint8), people=("ada",))

    with pytest.raises(ConfigError, match="1 faces are too few"):
        quantise("dlib", dlib.CARD, one, tmp_path)


def test_a_folder_without_photos_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(ConfigError, match=r"holds no photos|there is no folder"):
            quantise_engine("dlib", folder, tmp_path, say=lambda _: None)
