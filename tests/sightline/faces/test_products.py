"""Products in whole numbers are exact, also where a processor's own would saturate."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from infra.export import products as export
from infra.export.manifest import ship
from sightline.errors import ModelError
from sightline.faces.products import LARGEST_COLUMN, MODELS, ZERO, products, read_graph


@pytest.mark.parametrize("columns", [1, 2, 16, 17])
@pytest.mark.parametrize("dimension", [1, 3, 128, 2048])
def test_they_are_exact(columns: int, dimension: int) -> None:
    rng = np.random.default_rng(dimension)
    rows = rng.integers(0, 256, (70, dimension), np.uint8)
    rows[0], rows[1] = 255, 0
    vectors = rng.integers(-LARGEST_COLUMN, LARGEST_COLUMN + 1, (dimension, columns), np.int8)
    vectors[:, 0] = LARGEST_COLUMN

    expected = (rows.astype(np.int64) - ZERO) @ vectors.astype(np.int64)

    assert np.array_equal(products(rows, vectors), expected)


def test_rows_that_may_not_be_written_are_taken() -> None:
    rows = np.full((3, 4), 129, np.uint8)
    rows.flags.writeable = False

    assert products(rows, np.ones((4, 1), np.int8)).tolist() == [[4], [4], [4]]


def test_the_graph_is_the_one_that_the_export_writes() -> None:
    assert read_graph() == export.graph()
    assert export.ZERO == ZERO


def test_another_graph_than_the_manifests_is_refused(tmp_path: Path) -> None:
    shutil.copytree(MODELS, tmp_path, dirs_exist_ok=True)
    (tmp_path / export.FILE_NAME).write_bytes(export.graph()[:-1])

    with pytest.raises(ModelError, match=r"products\.onnx is damaged"):
        read_graph(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ModelError, match=r"manifest\.json is damaged: install sightline again"):
        read_graph(tmp_path)


def test_what_is_exported_is_entered_beside_the_other_networks(tmp_path: Path) -> None:
    ship(tmp_path, "pnet.onnx", b"another network", {"source": "elsewhere"})

    ship(tmp_path, export.FILE_NAME, export.graph(), export.ABOUT)

    assert read_graph(tmp_path) == export.graph()
    assert "elsewhere" in (tmp_path / "manifest.json").read_text()
