"""Imported embeddings and the engine of the stack that they are meant for."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cloud.imports.file_kinds import read_named_vectors
from cloud.imports.joining import Joining
from cloud.imports.named_vectors import NamedVectors
from cloud.memory import MemoryRegister
from cloud.people import People
from infra.account import Account
from infra.importing import doubts, engine_for
from infra.target import Target
from sightline.errors import ConfigError, ModelError
from sightline.faces import dlib, facenet
from sightline.faces.cards import write_card
from tests.cloud.fakes import NOON

GOLDEN = Path(__file__).parents[1] / "golden" / "imports"
FACENETS = read_named_vectors((GOLDEN / "own.pt").read_bytes())
DLIBS = read_named_vectors((GOLDEN / "encoding-numpy1-protocol4.pickle").read_bytes())


@pytest.fixture
def stack() -> Callable[..., Target]:
    """Describe a stack on AWS by its engine's name."""

    def make(**outputs: str) -> Target:
        return Target(account=Account(region="eu-central-1"), stack="school", outputs=outputs)

    return make


@pytest.fixture
def added(tmp_path: Path) -> Path:
    """The folder of somebody who added facenet."""
    card = replace(facenet.CARD, id=facenet.PUBLISHED_ID, digest="0" * 64)
    write_card(tmp_path / facenet.FILE_NAME, card)
    return tmp_path


def test_each_dimension_goes_to_its_engine(stack: Callable[..., Target], added: Path) -> None:
    assert engine_for(DLIBS, stack()).id == dlib.ID  # as a stack of before there was a choice
    assert engine_for(DLIBS, stack(Engine="dlib")).id == dlib.ID
    assert engine_for(FACENETS, stack(Engine="facenet"), added).id == facenet.PUBLISHED_ID


@pytest.mark.parametrize(
    ("given", "engine", "wanted"),
    [
        (FACENETS, "dlib", "facenet"),
        (DLIBS, "facenet", "dlib"),
        (DLIBS, "dlib-int8", "dlib"),
        (FACENETS, "facenet-int8", "facenet"),
    ],
)
def test_another_engines_are_refused_with_what_to_do(
    stack: Callable[..., Target], added: Path, given: NamedVectors, engine: str, wanted: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        engine_for(given, stack(Engine=engine), added)

    said = str(caught.value)
    assert f"as {wanted}'s have, and the stack recognises with {engine}:" in said
    assert f"./run --stack school deploy --parameter Engine={wanted}" in said
    assert "./run people add NAME PHOTO…" in said


def test_where_the_engine_was_not_added_the_command_that_adds_it_is_named(
    stack: Callable[..., Target], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"\./run engines add facenet"):
        engine_for(FACENETS, stack(Engine="facenet"), tmp_path)


def test_facenets_embeddings_are_enrolled_under_its_id(
    stack: Callable[..., Target], added: Path
) -> None:
    people = People(MemoryRegister(), now=lambda: NOON)
    engine = engine_for(FACENETS, stack(Engine="facenet"), added)

    joined = list(Joining(people, engine, now=lambda: NOON).join(FACENETS))

    assert [(each.person_id, each.added) for each in joined] == [
        ("ada-lovelace", 2),
        ("alan-turing", 1),
    ]
    faces = people.get("ada-lovelace").faces
    assert {face.engine for face in faces} == {facenet.PUBLISHED_ID}
    assert {face.embedding.shape for face in faces} == {(512,)}


def test_what_cannot_be_told_from_the_file_is_said() -> None:
    ones = np.zeros((1, 128), np.float32)
    ones[0, 0] = 1
    published = replace(facenet.CARD, id=facenet.PUBLISHED_ID)
    [openface] = doubts(NamedVectors(names=("Ada",), vectors=ones), dlib.CARD)
    [weights] = doubts(FACENETS, replace(facenet.CARD, id="facenet-0123abcd@1"))

    assert "OpenFace" in openface
    assert "other weights than facenet-pytorch's vggface2" in weights
    assert not list(doubts(FACENETS, published))
    assert not list(doubts(DLIBS, dlib.CARD))
