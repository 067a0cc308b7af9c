"""The image's first stage, with facenet-pytorch's network and seeded random weights."""

import os
import subprocess
from pathlib import Path

import pytest

from infra.engines import EXPORT, EXPORT_PYTHON
from infra.packaging import PROJECT
from sightline.faces.engines import load_engine


@pytest.fixture(scope="session")
def python() -> Path:
    given = os.environ.get(EXPORT_PYTHON)
    return Path(given) if given else EXPORT.make(print)


def test_weights_that_the_build_is_given_become_the_images_engine(
    python: Path, tmp_path: Path
) -> None:
    weights, into = tmp_path / "weights", tmp_path / "tree" / "opt" / "sightline"
    weights.mkdir()
    export = [str(python), "-m", "infra.export.facenet", "--seed", "7"]
    subprocess.run([*export, str(weights / "random.pt")], check=True, cwd=PROJECT)

    stage = [str(python), "-m", "infra.imaging.engine", "facenet", str(into)]
    subprocess.run([*stage, "--weights", str(weights)], check=True, cwd=PROJECT)

    assert {path.name for path in into.iterdir()} == {"facenet-1.onnx", "facenet-1.json"}
    assert load_engine("facenet", folder=into).id.startswith("facenet-")
