"""Suppression is held against the plain greedy rule; squares and clipping against arithmetic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sightline.faces.boxes import regressed, squared, suppress, within


def greedy(
    boxes: NDArray[np.float32], probabilities: NDArray[np.float32], limit: float, over: str
) -> list[int]:
    """The oracle: go from the most probable down, take what overlaps nothing taken."""
    indices = range(len(boxes))
    if over == "union":
        end, order = np.float32(0), sorted(indices, key=lambda i: -probabilities[i])
    else:
        end, order = np.float32(1), sorted(indices, key=lambda i: probabilities[i])[::-1]
    areas = [(b[2] - b[0] + end) * (b[3] - b[1] + end) for b in boxes]
    taken: list[int] = []
    for i in order:
        for j in taken:
            width = max(
                np.float32(0), min(boxes[i][2], boxes[j][2]) - max(boxes[i][0], boxes[j][0]) + end
            )
            height = max(
                np.float32(0), min(boxes[i][3], boxes[j][3]) - max(boxes[i][1], boxes[j][1]) + end
            )
            inter = width * height
            whole = areas[i] + areas[j] - inter if over == "union" else min(areas[i], areas[j])
            if inter / whole > np.float32(limit):
                break
        else:
            taken.append(i)
    return taken


Candidate = tuple[int, int, int, int, float]
corner = st.integers(-5, 30)
side = st.integers(1, 20)
# Few values of each, so that ties and overlaps of exactly the limit come up.
candidates = st.lists(
    st.tuples(corner, corner, side, side, st.sampled_from([0.6, 0.7, 0.9, 1.0])), max_size=25
)


@pytest.mark.parametrize("over", ["union", "smaller"])
@given(found=candidates, limit=st.sampled_from([0.5, 0.7]))
def test_what_is_kept_is_what_the_greedy_rule_keeps(
    over: str, found: list[Candidate], limit: float
) -> None:
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h, _ in found], np.float32).reshape(-1, 4)
    probabilities = np.array([p for *_, p in found], np.float32)

    kept = suppress(boxes, probabilities, limit, over=over)  # type: ignore[arg-type]

    assert kept.tolist() == greedy(boxes, probabilities, limit, over)


@pytest.mark.parametrize("over", ["union", "smaller"])
def test_more_boxes_than_are_compared_at_once_are_kept_as_the_greedy_rule_keeps(over: str) -> None:
    rng = np.random.default_rng(5)
    low = rng.integers(0, 90, (1300, 2)).astype(np.float32)
    boxes = np.concatenate([low, low + rng.integers(5, 30, (1300, 2))], axis=1).astype(np.float32)
    probabilities = rng.choice(np.array([0.6, 0.8, 1.0], np.float32), 1300)

    kept = suppress(boxes, probabilities, 0.5, over=over)  # type: ignore[arg-type]

    assert kept.tolist() == greedy(boxes, probabilities, 0.5, over)


def test_a_long_chain_of_overlapping_boxes_is_kept_every_other_one() -> None:
    x = np.arange(0, 200, 2, dtype=np.float32)
    boxes = np.stack([x, 0 * x, x + 6, 0 * x + 6], axis=1)  # each overlaps the next by a half

    kept = suppress(boxes, np.linspace(1, 0.6, len(x), dtype=np.float32), 0.4)

    assert kept.tolist() == list(range(0, 100, 2))


def test_no_boxes_are_no_error() -> None:
    kept = suppress(np.empty((0, 4), np.float32), np.empty(0, np.float32), 0.5)

    assert kept.tolist() == []


def test_boxes_without_extent_are_no_error() -> None:
    boxes = np.array([[3, 3, 3, 3], [3, 3, 3, 3]], np.float32)

    assert suppress(boxes, np.ones(2, np.float32), 0.5).tolist() == [0, 1]


def test_a_square_has_the_longer_side_and_the_same_centre() -> None:
    box = squared(np.array([[10, 20, 30, 26]], np.float32))

    np.testing.assert_array_equal(box, [[10, 13, 30, 33]])


def test_regression_moves_each_edge_by_its_share_of_the_side_both_ends_counted() -> None:
    box = regressed(
        np.array([[0, 0, 9, 19]], np.float32), np.array([[0.1, 0.1, 0, -0.5]], np.float32)
    )

    np.testing.assert_allclose(box, [[1, 2, 9, 9]])


def test_pixels_are_counted_from_one_and_fractions_cut_off() -> None:
    boxes = np.array([[1, 1, 4, 4], [2.9, 3.9, 5.9, 6.9], [-3.5, -0.5, 99, 99]], np.float32)

    np.testing.assert_array_equal(
        within(boxes, 20, 10), [[0, 0, 4, 4], [1, 2, 5, 6], [0, 0, 20, 10]]
    )


def test_a_box_beyond_an_edge_or_on_it_has_no_pixels() -> None:
    left, right, above, below = [-9, 2, 0, 8], [21, 2, 30, 8], [2, -9, 8, 0], [2, 11, 8, 20]
    none = [5, 5, 4, 4]
    pixels = within(np.array([left, right, above, below, none], np.float32), 20, 10)

    assert (pixels[:, 2:] <= pixels[:, :2]).any(axis=1).all()
