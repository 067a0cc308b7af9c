"""facenet-pytorch's network with seeded random weights, exported and held to torch."""

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from infra.engines import EXPORT, EXPORT_PYTHON, add_facenet
from infra.packaging import PROJECT
from sightline.errors import ModelError
from sightline.faces.engines import load_engine


@pytest.fixture(scope="session")
def python() -> Path:
    given = os.environ.get(EXPORT_PYTHON)
    return Path(given) if given else EXPORT.make(print)


@pytest.fixture(scope="session")
def weights(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "random.pt"
    command = [str(python), "-m", "infra.export.facenet", "--seed", "7", str(path)]
    subprocess.run(command, check=True, cwd=PROJECT)
    return path


def add(weights: Path, folder: Path, python: Path) -> dict[str, Any]:
    return add_facenet(
        weights=weights,
        folder=folder,
        say=print,
        progress=lambda *_: None,
        environ={**os.environ, EXPORT_PYTHON: str(python)},
    )


def test_the_export_is_within_tolerance_of_torch_and_loads(
    python: Path, weights: Path, tmp_path: Path
) -> None:
    made = add(weights, tmp_path, python)

    assert made["difference_to_torch"] < 1e-5
    engine = load_engine("facenet", folder=tmp_path)
    assert engine.id == made["id"] != "facenet-vggface2@1"
    assert engine.digest == made["digest"]
    row = engine.embed(np.full((1, 160, 160, 3), 90, np.uint8))
    assert float(np.linalg.norm(row)) == pytest.approx(1, abs=1e-6)


def test_the_same_weights_give_the_same_engine(python: Path, weights: Path, tmp_path: Path) -> None:
    first, second = (add(weights, tmp_path / name, python) for name in "ab")

    assert first == second


@pytest.mark.parametrize("kept", [0, 1000, 90_000_000])
def test_weights_cut_short_are_refused(
    python: Path, weights: Path, tmp_path: Path, kept: int
) -> None:
    (tmp_path / "cut.pt").write_bytes(weights.read_bytes()[:kept])

    with pytest.raises(ModelError, match=r"cut\.pt is cut short, damaged or not torch's"):
        add(tmp_path / "cut.pt", tmp_path, python)

    assert [path.name for path in tmp_path.iterdir()] == ["cut.pt"]


def test_weights_of_another_network_are_refused(python: Path, tmp_path: Path) -> None:
    [onet] = python.parents[1].glob("lib/python*/site-packages/facenet_pytorch/data/onet.pt")

    with pytest.raises(ModelError, match="of another network than InceptionResnetV1: Missing"):
        add(onet, tmp_path, python)


def test_what_differs_from_torch_is_refused(python: Path, weights: Path, tmp_path: Path) -> None:
    """By a network that is not the one exported: its block's scale is another."""
    code = """
import sys
from pathlib import Path
from infra.export import facenet
from sightline.errors import ModelError
make = facenet._network
def other():
    network = make()
    network.repeat_1[0].scale = 0.9
    return network
facenet._network = other
try:
    facenet.export(Path(sys.argv[1]), Path(sys.argv[2]))
except ModelError as err:
    sys.exit(str(err))
"""
    command = [str(python), "-c", code, str(weights), str(tmp_path)]

    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)

    assert "the export differs from torch by" in done.stderr
    assert list(tmp_path.iterdir()) == []
