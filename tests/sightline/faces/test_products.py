"""Products in whole numbers are exact, also where a processor's own would saturate."""

from importlib import resources

import numpy as np
import pytest

from infra.export import products as export
from sightline.faces.products import LARGEST_COLUMN, ZERO, products


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
    shipped = resources.files("sightline.faces").joinpath("models", export.FILE_NAME).read_bytes()

    assert shipped == export.graph()
    assert export.ZERO == ZERO
