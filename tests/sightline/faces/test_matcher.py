"""Decisions are held against the rules of a gallery, spelled out one face at a time."""

from collections.abc import Sequence
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sightline.faces.matcher import Decision, Embeddings, Gallery, Match, match


def gallery_of(rows: Sequence[tuple[str, Sequence[float]]]) -> Gallery:
    return Gallery(
        version=7,
        engine="toy@1",
        embeddings=np.array([row for _, row in rows], np.float32).reshape(-1, 3),
        person_ids=tuple(person for person, _ in rows),
    )


def probes_of(*rows: list[float]) -> Embeddings:
    return np.array(rows, np.float32)


def by_the_rules(
    probes: Embeddings, gallery: Gallery, threshold: float, margin: float, doubt: float
) -> list[tuple[Decision, str | None, float | None, float | None]]:
    """The oracle."""
    out: list[tuple[Decision, str | None, float | None, float | None]] = []
    for probe in probes:
        per_person: dict[str, float] = {}
        for person, row in zip(gallery.person_ids, gallery.embeddings, strict=True):
            gap = probe.astype(float) - row.astype(float)
            distance = float(np.sqrt((gap * gap).sum()))
            per_person[person] = min(per_person.get(person, np.inf), distance)
        if not per_person:
            out.append(("unknown", None, None, None))
            continue
        best = min(per_person, key=per_person.__getitem__)  # of equals, the first enrolled
        distance = per_person.pop(best)
        lead = min(per_person.values()) - distance if per_person else None
        if distance >= threshold + doubt:
            out.append(("unknown", None, distance, lead))
        elif distance >= threshold or (lead is not None and lead < margin):
            out.append(("unsure", None, distance, lead))
        else:
            out.append(("known", best, distance, lead))
    for person in {found[1] for found in out if found[1]}:
        claims = [i for i, found in enumerate(out) if found[1] == person]
        keeper = min(claims, key=lambda i: (out[i][2], i))
        for i in claims:
            if i != keeper:
                out[i] = ("unsure", None, *out[i][2:])
    return out


# Whole numbers, so that ties are exact in every way of computing them.
vectors = st.lists(st.integers(-3, 3), min_size=3, max_size=3)
galleries = st.lists(st.tuples(st.sampled_from("abcde"), vectors), max_size=12).map(gallery_of)
frames = st.lists(vectors, max_size=5).map(lambda rows: np.array(rows, np.float32).reshape(-1, 3))
halves = st.sampled_from([0.25, 0.75, 1.25, 2.6, 9.0])


@given(frames, galleries, halves, st.sampled_from([0.0, 0.3, 1.1]), st.sampled_from([0.0, 0.6]))
def test_a_decision_is_what_the_rules_say(
    probes: Embeddings, gallery: Gallery, threshold: float, margin: float, doubt: float
) -> None:
    got = match(probes, gallery, threshold=threshold, margin=margin, doubt=doubt)
    expected = by_the_rules(probes, gallery, threshold, margin, doubt)

    assert [(m.decision, m.person_id) for m in got] == [e[:2] for e in expected]
    for found, (_, _, distance, lead) in zip(got, expected, strict=True):
        assert found.distance == (None if distance is None else pytest.approx(distance, abs=1e-6))
        assert found.margin == (None if lead is None else pytest.approx(lead, abs=1e-6))


@given(frames, galleries, halves)
def test_nobody_is_in_a_frame_twice_and_only_the_known_have_names(
    probes: Embeddings, gallery: Gallery, threshold: float
) -> None:
    found = match(probes, gallery, threshold=threshold, margin=0.1)
    names = [m.person_id for m in found if m.person_id is not None]

    assert len(names) == len(set(names))
    assert all((m.person_id is not None) == (m.decision == "known") for m in found)
    assert not any(np.isnan(m.distance) for m in found if m.distance is not None)


@given(st.integers(0, 2**32 - 1))
def test_the_order_of_the_gallerys_rows_changes_no_decision(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = (rng.normal(size=(9, 128)) / 8).astype(np.float32)
    people = np.array(list("aabbbcdde"))
    probes = (rows[:4] + rng.normal(size=(4, 128)) / 40).astype(np.float32)
    order = rng.permutation(9)

    def decide(order: NDArray[np.intp]) -> list[tuple[str, str | None]]:
        gallery = Gallery(
            version=1, engine="toy@1", embeddings=rows[order], person_ids=tuple(people[order])
        )
        found = match(probes, gallery, threshold=0.55, margin=0.05)
        return [(m.decision, m.person_id) for m in found]

    assert decide(order) == decide(np.arange(9))


def test_an_empty_gallery_knows_nobody() -> None:
    gallery = gallery_of([])

    [found] = match(probes_of([0, 0, 0]), gallery, threshold=1, margin=0)

    assert found == Match(decision="unknown", person_id=None, distance=None, margin=None)
    assert gallery.distances(probes_of([0, 0, 0])).shape == (1, 0)


def test_a_frame_without_faces_has_no_decisions() -> None:
    nobody = np.empty((0, 3), np.float32)

    assert match(nobody, gallery_of([("ada", [0, 0, 0])]), threshold=1, margin=0) == []


def test_the_only_person_enrolled_has_no_margin() -> None:
    gallery = gallery_of([("ada", [0, 0, 0]), ("ada", [9, 9, 9])])

    [found] = match(probes_of([0.25, 0, 0]), gallery, threshold=1, margin=0.5)

    assert (found.decision, found.person_id, found.margin) == ("known", "ada", None)
    assert found.distance == pytest.approx(0.25)


def test_two_people_equally_near_are_no_name() -> None:
    gallery = gallery_of([("ada", [0, 0, 0]), ("bob", [2, 0, 0])])

    [found] = match(probes_of([1, 0, 0]), gallery, threshold=5, margin=0.05)

    assert (found.decision, found.person_id, found.margin) == ("unsure", None, 0)


def test_at_the_threshold_a_face_is_not_known() -> None:
    gallery = gallery_of([("ada", [0, 0, 0])])
    probes = probes_of([1, 0, 0])

    assert match(probes, gallery, threshold=1, margin=0)[0].decision == "unknown"
    assert match(probes, gallery, threshold=1, margin=0, doubt=0.1)[0].decision == "unsure"
    assert match(probes, gallery, threshold=1.01, margin=0)[0].decision == "known"


def test_of_two_faces_of_one_person_the_nearer_keeps_the_name() -> None:
    gallery = gallery_of([("ada", [0, 0, 0])])

    far, near = match(probes_of([0.5, 0, 0], [0.1, 0, 0]), gallery, threshold=1, margin=0)

    assert (near.decision, near.person_id) == ("known", "ada")
    assert (far.decision, far.person_id) == ("unsure", None)
    assert far.distance == pytest.approx(0.5)


def test_the_same_embedding_is_at_distance_zero_to_single_precision() -> None:
    row = np.random.default_rng(0).normal(size=128).astype(np.float32)
    gallery = Gallery(version=1, engine="toy@1", embeddings=row[None], person_ids=("ada",))

    assert match(row[None], gallery, threshold=1, margin=0)[0].distance == pytest.approx(
        0, abs=1e-6
    )


@pytest.mark.parametrize(
    ("probes", "complaint"),
    [
        (np.zeros(3, np.float32), "are no embeddings"),
        (np.full((1, 3), np.nan, np.float32), "are no embeddings"),
        (np.zeros((1, 4), np.float32), "probes have 4 numbers, the gallery's 3"),
    ],
)
def test_what_is_no_probe_is_refused(probes: Embeddings, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        match(probes, gallery_of([("ada", [0, 0, 0])]), threshold=1, margin=0)


@pytest.mark.parametrize(
    ("embeddings", "complaint"),
    [
        (np.zeros((2, 3), np.float64), "not float32"),
        (np.zeros(2, np.float32), "not float32"),
        (np.zeros((1, 3), np.float32), "1 embeddings of 2 people"),
        (np.full((2, 3), np.inf, np.float32), "no number"),
    ],
)
def test_what_is_no_gallery_is_refused(embeddings: Embeddings, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Gallery(version=1, engine="toy@1", embeddings=embeddings, person_ids=("ada", "bob"))


def test_a_gallery_cannot_be_changed_and_shows_no_embedding() -> None:
    embeddings = np.array([[0.125, 0, 0]], np.float32)
    gallery = Gallery(version=1, engine="toy@1", embeddings=embeddings, person_ids=("ada",))

    embeddings[:] = 9  # the maker's array is not the gallery's
    assert gallery.embeddings[0, 0] == 0.125
    with pytest.raises(ValueError, match="read-only"):
        gallery.embeddings[0, 0] = 1
    with pytest.raises(FrozenInstanceError):
        gallery.version = 2  # type: ignore[misc]
    assert "0.125" not in repr(gallery)
    assert len(gallery) == 1
    assert gallery.people == ("ada",)
