"""Figures are held against counting pair by pair."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.faces.metrics import (
    Pairs,
    at_far,
    at_threshold,
    auc,
    most_accurate,
    recommended_threshold,
    roc,
)

# Few values, so that there are ties.
distances = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5]), min_size=1)
pairs_of_any_kind = st.builds(
    lambda same, different: Pairs(same=np.array(same), different=np.array(different)),
    distances,
    distances,
)


@given(pairs_of_any_kind)
def test_the_auc_is_how_often_a_same_pair_is_nearer(pairs: Pairs) -> None:
    won = [
        1.0 if same < different else 0.5 if same == different else 0.0
        for same in pairs.same
        for different in pairs.different
    ]

    assert auc(pairs) == pytest.approx(sum(won) / len(won))


@given(pairs_of_any_kind)
def test_the_auc_is_the_area_under_the_roc(pairs: Pairs) -> None:
    curve = roc(pairs)

    assert auc(pairs) == pytest.approx(np.trapezoid(curve.tar, curve.far))
    assert (curve.tar[0], curve.far[0], curve.tar[-1], curve.far[-1]) == (0, 0, 1, 1)
    assert (np.diff(curve.tar) >= 0).all()
    assert (np.diff(curve.far) >= 0).all()


@given(pairs_of_any_kind, st.floats(0, 2))
def test_a_threshold_accepts_what_is_nearer(pairs: Pairs, threshold: float) -> None:
    true = sum(d < threshold for d in pairs.same)
    false = sum(d < threshold for d in pairs.different)

    found = at_threshold(pairs, threshold)

    assert found.tar == true / len(pairs.same)
    assert found.far == false / len(pairs.different)
    right = true + len(pairs.different) - false
    assert found.accuracy == right / (len(pairs.same) + len(pairs.different))


@given(pairs_of_any_kind, st.floats(0, 2))
def test_no_threshold_is_more_accurate_than_the_most_accurate(
    pairs: Pairs, threshold: float
) -> None:
    assert most_accurate(pairs).accuracy >= at_threshold(pairs, threshold).accuracy


@given(pairs_of_any_kind, st.sampled_from([1.0, 0.5, 0.1, 0.01]), st.floats(0, 2))
def test_no_threshold_within_a_far_accepts_more(pairs: Pairs, far: float, other: float) -> None:
    found = at_far(pairs, far)

    if found is None:
        assert len(pairs.different) * far < 1
        return
    assert found.far <= far + 1e-9
    rival = at_threshold(pairs, other)
    assert rival.far > far or rival.tar <= found.tar


def test_a_far_that_the_pairs_cannot_show_is_not_stated() -> None:
    pairs = Pairs(same=np.array([0.1]), different=np.linspace(0.5, 1.5, 1_000))

    assert at_far(pairs, 1e-3) is not None
    assert at_far(pairs, 1e-4) is None


@given(pairs_of_any_kind)
def test_the_recommended_threshold_accepts_no_different_pair_of_so_few(pairs: Pairs) -> None:
    threshold = recommended_threshold(pairs)

    assert at_threshold(pairs, threshold).far == 0
    assert 0 <= threshold <= pairs.different[0]


def test_between_separate_kinds_the_recommended_threshold_is_half_way() -> None:
    pairs = Pairs(same=np.array([0.2, 0.4]), different=np.array([0.61, 0.6]))

    assert recommended_threshold(pairs) == pytest.approx(0.5)
    assert auc(pairs) == 1
    best = most_accurate(pairs)
    assert best.threshold == pytest.approx(0.5)
    assert best.accuracy == 1


def test_one_different_pair_in_a_thousand_may_be_nearer_than_recommended() -> None:
    different = np.concatenate([np.full(10, 0.3), np.linspace(0.6, 1.5, 9_990)])
    distances = np.concatenate([different, [0.2, 0.5]])
    pairs = Pairs.of(distances, [False] * len(different) + [True] * 2)

    assert recommended_threshold(pairs) == pytest.approx(0.55)
    assert at_threshold(pairs, 0.55).far == pytest.approx(1e-3)


def test_of_few_pairs_the_nearest_is_not_taken_at_its_word() -> None:
    different = np.random.default_rng(4).normal(1, 0.1, 200)
    pairs = Pairs(same=np.array([0.3, different.min() - 1e-6]), different=different)

    # Up to the nearest stranger, 0.73, they say that all is well; in truth one in 300 is nearer.
    assert recommended_threshold(pairs) == pytest.approx(1 - 3.09 * 0.1, abs=0.03)
    assert recommended_threshold(pairs) < different.min()


@pytest.mark.parametrize(
    ("same", "different"), [([], [1.0]), ([1.0], []), ([np.nan], [1.0]), ([1.0], [np.inf])]
)
def test_what_is_no_list_of_pairs_is_refused(same: list[float], different: list[float]) -> None:
    with pytest.raises(ValueError, match="pairs are"):
        Pairs(same=np.array(same), different=np.array(different))
