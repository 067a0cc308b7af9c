"""A large gallery's answers are those of the plain one, whatever happened to it before."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from sightline.faces.gallery_index import GalleryIndex
from sightline.faces.gallery_part import BLOCK, COARSE_FROM, Embeddings, Run, encode, make_part
from sightline.faces.matcher import Gallery, match

DIMENSION = 3

# Whole numbers, so that ties are exact in every way of computing them.
rows_of_somebody = st.lists(
    st.lists(st.integers(-3, 3), min_size=DIMENSION, max_size=DIMENSION), max_size=3
).map(lambda rows: np.array(rows, np.float32).reshape(-1, DIMENSION))
everybody = st.dictionaries(st.sampled_from("abcdef"), rows_of_somebody)
frames = st.lists(
    st.lists(st.integers(-3, 3), min_size=DIMENSION, max_size=DIMENSION), max_size=10
).map(lambda rows: np.array(rows, np.float32).reshape(-1, DIMENSION))


def runs(people: dict[str, Embeddings]) -> list[Run]:
    return [(person, "1", rows) for person, rows in people.items()]


def index_of(people: dict[str, Embeddings], *, coarse: bool = False) -> GalleryIndex:
    dimension = next((rows.shape[1] for rows in people.values()), DIMENSION)
    given = [run for run in runs(people) if len(run[2])]
    return GalleryIndex(
        version=7,
        engine="toy@1",
        base=make_part(given, dimension, coarse_from=0 if coarse else COARSE_FROM),
        added=make_part((), dimension),
    )


def plain(index: GalleryIndex) -> Gallery:
    """The oracle."""
    given = list(index.runs())
    empty = np.empty((0, index.dimension), np.float32)
    return Gallery(
        version=index.version,
        engine=index.engine,
        embeddings=np.concatenate([empty, *(rows for _, _, rows in given)]),
        person_ids=tuple(person for person, _, rows in given for _ in rows),
    )


def assert_same_decisions(index: GalleryIndex, probes: Embeddings) -> None:
    for threshold, margin in ((0.75, 0.0), (2.6, 0.3)):
        got = match(probes, index, threshold=threshold, margin=margin, doubt=0.6)
        expected = match(probes, plain(index), threshold=threshold, margin=margin, doubt=0.6)
        for ours, theirs in zip(got, expected, strict=True):
            assert (ours.decision, ours.person_id) == (theirs.decision, theirs.person_id)
            assert ours.distance == pytest.approx(theirs.distance, abs=1e-6)
            assert ours.margin == pytest.approx(theirs.margin, abs=1e-6)


@given(everybody, st.lists(everybody, max_size=4), frames, st.booleans())
def test_after_any_changes_it_decides_as_the_plain_gallery(
    people: dict[str, Embeddings],
    changes: Sequence[dict[str, Embeddings]],
    probes: Embeddings,
    coarse: bool,
) -> None:
    index = index_of(people, coarse=coarse)
    for version, change in enumerate(changes):
        index = index.changed(runs(change), version=version)
        people = people | change

    assert_same_decisions(index, probes)
    assert set(index.people) == {person for person, rows in people.items() if len(rows)}
    assert len(index) == sum(map(len, people.values()))
    assert_same_decisions(index.compacted(), probes)
    assert index.compacted().people == index.people


@given(
    st.integers(1, 60),
    st.integers(1, 40),
    st.sampled_from([1e-30, 1e-3, 1.0, 1e8]),
    st.integers(0, 2**32 - 1),
)
def test_from_bytes_it_finds_exactly_what_comparing_all_finds(
    count: int, dimension: int, size: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = (rng.normal(size=(count, dimension)) * size).clip(-9e8, 9e8).astype(np.float32)
    rows[rng.random(count) < 0.2] *= np.float32(1e-3)  # each row has a scale of its own
    near = rows[rng.integers(0, count, 4)] * np.float32(1 + 1e-6)
    probes = np.concatenate([near, rows[:3], np.zeros((1, dimension), np.float32)])
    people = {f"{i:03}": rows[i : i + 2] for i in range(0, count, 2)}

    found = index_of(people, coarse=True).nearest(probes)

    for probe, nearest in zip(probes, found, strict=True):
        gaps = rows.astype(np.float64) - probe.astype(np.float64)
        distances = np.sqrt((gaps**2).sum(axis=1))
        per_person = sorted(distances[i : i + 2].min() for i in range(0, count, 2))
        assert nearest is not None
        assert nearest.distance == per_person[0]
        assert nearest.next_distance == (per_person[1] if len(per_person) > 1 else None)


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 5), st.integers(1, 9)),
        elements=st.floats(-1e9, 1e9, width=32, exclude_min=True, exclude_max=True),
    )
)
def test_a_row_is_no_farther_from_its_bytes_than_they_say(rows: Embeddings) -> None:
    coarse, squares = encode(rows)

    stands_for = (coarse.codes.astype(float) - 128) * coarse.scales[:, None].astype(float)
    assert (np.sqrt(((rows - stands_for) ** 2).sum(axis=1)) <= coarse.errors).all()
    assert squares == pytest.approx((stands_for**2).sum(axis=1), rel=1e-6)
    assert (coarse.errors <= np.sqrt(rows.shape[1]) * coarse.scales * 0.51).all()


@pytest.fixture(scope="module")
def many() -> tuple[GalleryIndex, NDArray[np.float32]]:
    """Three blocks of rows, one to four a person, some of whom are gone and some are new."""
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(2 * BLOCK + 1_000, 16)).astype(np.float32)
    stops = np.cumsum(rng.integers(1, 5, 40_000))
    stops = stops[stops < len(rows)]
    index = GalleryIndex.of(
        ((f"p{i}", "1", part) for i, part in enumerate(np.split(rows, stops))),
        version=1,
        engine="toy@1",
        dimension=16,
    )
    changed = [(f"p{i}", "2", rows[:0]) for i in range(0, 3_000, 3)]
    changed += [(f"p{i}", "2", rows[i : i + 1] + 1) for i in range(1, 3_000, 3)]
    return index.changed(changed, version=2), rows


def test_a_gallery_of_several_blocks_decides_as_the_plain_one(
    many: tuple[GalleryIndex, NDArray[np.float32]],
) -> None:
    index, rows = many
    # Not the very rows of one person twice: the plain gallery's own rounding would say which is
    # nearer.
    own = rows[-9::2] * np.float32(1.01)
    probes = np.concatenate([rows[:40:4], rows[:20] + 1, own, rows[5:9] * 0])

    assert index.base.coarse is not None
    assert_same_decisions(index, probes)


def test_one_person_with_all_the_rows_has_no_next_one() -> None:
    rows = np.random.default_rng(1).normal(size=(BLOCK + 10, 4)).astype(np.float32)
    index = index_of({"ada": rows}, coarse=True)

    [nearest] = index.nearest(rows[-1:])

    assert nearest is not None
    assert (nearest.person_id, nearest.distance, nearest.next_distance) == ("ada", 0, None)


def test_a_change_leaves_the_gallery_it_was_made_from_as_it_was() -> None:
    ada, bob = np.ones((1, 3), np.float32), np.zeros((1, 3), np.float32)
    before = index_of({"ada": ada, "bob": bob})

    after = before.changed([("ada", "2", ada[:0]), ("eve", "1", ada)], version=8)

    assert (before.version, before.people, len(before)) == (7, ("ada", "bob"), 2)
    assert (after.version, after.people, len(after)) == (8, ("bob", "eve"), 2)
    assert after.marks == {"bob": "1", "eve": "1"}
    assert after.base.rows is before.base.rows
    assert "ada" not in repr(after)


def test_it_says_when_putting_it_together_again_is_worth_it() -> None:
    rows = np.zeros((5_000, 3), np.float32)
    index = index_of({f"p{i}": rows[i : i + 1] for i in range(8)})

    assert not index.worth_compacting
    assert not index.changed([("p1", "2", rows[:0])], version=8).worth_compacting
    gone = [(f"p{i}", "2", rows[:0]) for i in range(4)]
    assert index.changed(gone, version=8).worth_compacting
    assert index.changed([("crowd", "1", rows)], version=8).worth_compacting
    assert not index.changed(gone, version=8).compacted().worth_compacting


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (np.zeros((1, 4), np.float32), "the embeddings of ada are float32"),
        (np.zeros(3, np.float32), "the embeddings of ada are float32"),
        (np.zeros((1, 3), np.float64), "the embeddings of ada are float64"),
        (np.full((1, 3), np.nan, np.float32), "no number"),
        (np.full((1, 3), np.inf, np.float32), "no number"),
        (np.full((1, 3), 1e20, np.float32), "too large"),
    ],
)
def test_what_is_no_embedding_is_refused(rows: Embeddings, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        GalleryIndex.of([("ada", "1", rows)], version=1, engine="toy@1", dimension=3)


def test_somebody_twice_is_refused() -> None:
    rows = np.zeros((1, 3), np.float32)

    with pytest.raises(ValueError, match="twice"):
        GalleryIndex.of(
            [("ada", "1", rows), ("ada", "1", rows)], version=1, engine="toy@1", dimension=3
        )


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e30])
def test_what_is_no_probe_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="are no embeddings"):
        index_of({"ada": np.zeros((1, 3), np.float32)}).nearest(np.full((1, 3), number, np.float32))


def test_an_embedding_of_no_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="embeddings have 0"):
        GalleryIndex.of([], version=1, engine="toy@1", dimension=0)
