"""Optimised graphs, kept beside a tiny network."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from sightline.errors import ModelError
from sightline.faces.kept_graphs import open_session
from tests.sightline.faces.networks import tiny_network

NETWORK = tiny_network(8, 4)
DIGEST = hashlib.sha256(NETWORK).hexdigest()
CHIPS = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "tiny.onnx"
    file.write_bytes(NETWORK)
    return file


def kept(path: Path) -> list[Path]:
    return sorted((path.parent / "optimised").iterdir())


def test_the_first_session_keeps_a_graph_and_the_second_uses_it(path: Path) -> None:
    first = open_session(path, DIGEST, name="tiny").run(CHIPS)
    [graph] = kept(path)
    path.unlink()  # so that nothing else can be used

    np.testing.assert_array_equal(open_session(path, DIGEST, name="tiny").run(CHIPS), first)
    assert kept(path) == [graph]


@pytest.mark.parametrize("damage", [b"", b"half", None])
def test_a_damaged_graph_is_made_anew(path: Path, damage: bytes | None) -> None:
    first = open_session(path, DIGEST, name="tiny").run(CHIPS)
    [graph] = kept(path)
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-9] if damage is None else damage)

    np.testing.assert_array_equal(open_session(path, DIGEST, name="tiny").run(CHIPS), first)
    [new] = kept(path)  # and nothing of the damaged one; its bytes need not be the same
    assert new.read_bytes().startswith(whole[:8])


def test_a_graph_that_has_its_digest_but_is_none_does_no_harm(path: Path) -> None:
    open_session(path, DIGEST, name="tiny")
    [graph] = kept(path)
    stem = graph.name.split(".")[:3]
    fake = graph.with_name(".".join([*stem, hashlib.sha256(b"none").hexdigest(), "ort"]))
    fake.write_bytes(b"none")
    graph.unlink()

    assert open_session(path, DIGEST, name="tiny").run(CHIPS).shape == (2, 4)
    assert fake not in kept(path)


def test_graphs_of_former_weights_are_removed(path: Path) -> None:
    open_session(path, DIGEST, name="tiny")
    [former] = kept(path)
    other = tiny_network(8, 4, bias=1)
    path.write_bytes(other)

    open_session(path, hashlib.sha256(other).hexdigest(), name="tiny")

    [graph] = kept(path)
    assert graph != former


def test_a_graph_made_elsewhere_is_not_touched(path: Path) -> None:
    open_session(path, DIGEST, name="tiny")
    [graph] = kept(path)
    parts = graph.name.split(".")
    elsewhere = graph.with_name(".".join([parts[0], parts[1], "0" * 12, *parts[3:]]))
    graph.rename(elsewhere)

    open_session(path, DIGEST, name="tiny")

    assert elsewhere in kept(path)
    assert len(kept(path)) == 2


def test_where_none_can_be_kept_the_file_itself_serves(path: Path) -> None:
    (path.parent / "optimised").touch()  # no folder, so nothing can be put there

    assert open_session(path, DIGEST, name="tiny").run(CHIPS).shape == (2, 4)


def test_the_file_must_be_the_right_one(path: Path) -> None:
    path.write_bytes(NETWORK[:-1])

    with pytest.raises(ModelError, match=r"tiny\.onnx is damaged"):
        open_session(path, DIGEST, name="tiny")
    path.unlink()
    with pytest.raises(ModelError, match=r"tiny\.onnx cannot be read"):
        open_session(path, DIGEST, name="tiny")


def test_a_network_with_two_inputs_is_another(tmp_path: Path) -> None:
    data = tiny_network(8, 4, inputs=2)
    file = tmp_path / "two.onnx"
    file.write_bytes(data)

    with pytest.raises(ModelError, match="it has 2 inputs"):
        open_session(file, hashlib.sha256(data).hexdigest(), name="two")
