"""The engine `facenet`, over a tiny network in the place of the real one."""

import json
from pathlib import Path

import numpy as np
import pytest

from sightline.errors import ModelError
from sightline.faces import facenet
from sightline.faces.cards import Card
from sightline.faces.engines import engine_card, load_engine, prepare_engine
from tests.sightline.faces.networks import install, tiny_network

CHIPS = np.random.default_rng(0).integers(0, 256, (3, 160, 160, 3), dtype=np.uint8)


def test_it_tells_what_its_numbers_mean(tmp_path: Path) -> None:
    install(tmp_path, facenet.CARD, tiny_network(160, 512), "facenet-1234@1")

    engine = load_engine("facenet", folder=tmp_path)

    assert (engine.id, engine.dimension, engine.measure) == ("facenet-1234@1", 512, "euclidean")
    assert (engine.threshold, engine.margin, engine.chip_size) == (1.0, 0.08, 160)
    assert len(engine.digest) == 64
    assert engine.embed(CHIPS).shape == (3, 512)


def test_its_template_is_a_face_upright_in_the_middle() -> None:
    left_eye, right_eye, nose, left_mouth, right_mouth = facenet.TEMPLATE

    assert left_eye[0] + right_eye[0] == left_mouth[0] + right_mouth[0] == 2 * nose[0] == 160
    assert left_eye[1] == right_eye[1] < nose[1] < left_mouth[1] == right_mouth[1] < 160


def test_only_the_published_weights_have_the_published_name() -> None:
    assert facenet.id_for(facenet.WEIGHTS_SHA256) == "facenet-vggface2@1"
    assert facenet.id_for("abcdef0123" + "0" * 54) == "facenet-abcdef01@1"


def test_one_that_was_not_added_says_how_to(tmp_path: Path) -> None:
    for call in (load_engine, prepare_engine):
        with pytest.raises(ModelError, match=r"not in .*: \./run engines add facenet"):
            call("facenet", folder=tmp_path)
    with pytest.raises(ModelError, match=r"\./run engines quantise dlib"):
        load_engine("dlib-int8", folder=tmp_path)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    data = tiny_network(160, 512)
    path = install(tmp_path, facenet.CARD, data, "facenet-1234@1")
    path.write_bytes(data[:-1])

    for call in (load_engine, prepare_engine):
        with pytest.raises(ModelError, match=r"facenet-1\.onnx is damaged .*: \./run engines add"):
            call("facenet", folder=tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"id": 1, "sha256": "", "notes": {}}', "{"])
def test_a_damaged_card_is_named(tmp_path: Path, content: str) -> None:
    path = install(tmp_path, facenet.CARD, tiny_network(160, 512), "facenet-1234@1")
    path.with_suffix(".json").write_text(content)

    with pytest.raises(ModelError, match=r"facenet-1\.json is damaged: \./run engines add"):
        engine_card("facenet", tmp_path)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (tiny_network(150, 512), "another network"),  # other chips
        (tiny_network(160, 128), "another network"),  # other embeddings
        (b"no network at all", "cannot be loaded"),
        (b"", "cannot be loaded"),
    ],
)
def test_another_network_is_refused_even_with_its_own_digest(
    tmp_path: Path, data: bytes, said: str
) -> None:
    install(tmp_path, facenet.CARD, data, "facenet-1234@1")

    with pytest.raises(ModelError, match=said):
        load_engine("facenet", folder=tmp_path)


def test_what_is_no_number_is_no_embedding(tmp_path: Path) -> None:
    install(tmp_path, facenet.CARD, tiny_network(160, 512, bias=float("nan")), "facenet-1@1")

    with pytest.raises(ModelError, match="weights are damaged"):
        load_engine("facenet", folder=tmp_path).embed(CHIPS)


def test_a_card_is_written_as_json_for_a_person_to_read(tmp_path: Path) -> None:
    path = install(tmp_path, facenet.CARD, tiny_network(160, 512), "facenet-1234@1")

    assert json.loads(path.with_suffix(".json").read_text())["id"] == "facenet-1234@1"


def test_a_card_that_makes_no_sense_cannot_be_made() -> None:
    fields = {name: getattr(facenet.CARD, name) for name in Card.__slots__}

    for wrong in ({"template": np.zeros((4, 2), np.float32)}, {"threshold": 0.0}, {"margin": -1.0}):
        with pytest.raises(ValueError, match=r"template|threshold"):
            Card(**{**fields, **wrong})
