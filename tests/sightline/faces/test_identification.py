"""Turns are held against the matcher, which each face meets alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sightline.faces.identification import (
    MARGINS,
    distances_between,
    identify,
    recommended_margin,
    take_turns,
)
from sightline.faces.matcher import Gallery, match

faces = st.lists(
    st.tuples(st.sampled_from("abcd"), st.lists(st.integers(-3, 3), min_size=2, max_size=2)),
    min_size=2,
    max_size=12,
).filter(lambda rows: len({person for person, _ in rows}) > 1)


def split(rows: list[tuple[str, list[int]]]) -> tuple[NDArray[np.float32], list[str]]:
    return np.array([row for _, row in rows], np.float32), [person for person, _ in rows]


def gallery(rows: list[tuple[str, list[int]]]) -> Gallery:
    embeddings, people = split(rows)
    return Gallery(
        version=1, engine="toy@1", embeddings=embeddings.reshape(-1, 2), person_ids=tuple(people)
    )


@given(faces, st.sampled_from([0.5, 1.2, 2.6]), st.sampled_from([0.0, 0.3]))
def test_each_turn_is_decided_as_the_matcher_does(
    rows: list[tuple[str, list[int]]], threshold: float, margin: float
) -> None:
    rightly = wrongly = known = ties = strangers_named = 0
    for i, (person, row) in enumerate(rows):
        probe = np.array([row], np.float32)
        others = rows[:i] + rows[i + 1 :]
        [stranger] = match(
            probe,
            gallery([other for other in others if other[0] != person]),
            threshold=threshold,
            margin=margin,
        )
        strangers_named += stranger.person_id is not None
        if person not in [other[0] for other in others]:
            continue
        known += 1
        [found] = match(probe, gallery(others), threshold=threshold, margin=margin)
        rightly += found.person_id == person
        wrongly += found.person_id not in (None, person)
        ties += found.margin == 0

    got = identify(take_turns(*split(rows)), threshold=threshold, margin=margin)

    assert (got.known, got.strangers, got.strangers_named) == (known, len(rows), strangers_named)
    assert got.named_rightly + got.named_wrongly == rightly + wrongly
    assert abs(got.named_rightly - rightly) <= ties  # of two equally near, either is the nearest
    assert got.missed == known - rightly - wrongly


@given(faces)
def test_the_closest_two_people_are_the_closest(rows: list[tuple[str, list[int]]]) -> None:
    embeddings, people = split(rows)
    turns = take_turns(embeddings, people)

    all_pairs = distances_between(embeddings, embeddings)
    different = np.array(people)[:, None] != np.array(people)
    assert turns.closest is not None
    first, second = turns.closest
    assert people[first] != people[second]
    assert all_pairs[first, second] == pytest.approx(all_pairs[different].min())


def test_more_faces_than_are_compared_at_once_are_compared() -> None:
    rng = np.random.default_rng(2)
    embeddings = rng.normal(size=(1_200, 3)).astype(np.float32)
    people = [f"p{i % 300}" for i in range(1_200)]

    turns = take_turns(embeddings, people)

    names = np.array(people)
    for i in (0, 511, 512, 1_199):
        gaps = np.sqrt(((embeddings.astype(float) - embeddings[i].astype(float)) ** 2).sum(axis=1))
        gaps[i] = np.inf
        assert turns.own[i] == pytest.approx(gaps[names == names[i]].min())
        others = sorted(gaps[names == name].min() for name in set(people) - {people[i]})
        assert (turns.other[i], turns.another[i]) == pytest.approx(tuple(others[:2]))


def test_the_margin_is_the_widest_that_costs_nothing() -> None:
    embeddings = np.array([[0, 0], [0.1, 0], [0.25, 0], [5, 0], [5.1, 0]], np.float32)
    turns = take_turns(embeddings, ["ada", "ada", "bob", "eve", "eve"])

    # The second of ada's photos is 0.1 from the first, and 0.15 from bob's: 0.05 ahead.
    assert recommended_margin(turns, threshold=0.2) in MARGINS
    without = identify(turns, threshold=0.2, margin=0)
    assert (without.named_rightly, without.strangers_named) == (4, 2)
    chosen = recommended_margin(turns, threshold=0.2)
    assert identify(turns, threshold=0.2, margin=chosen).wrong_names <= without.wrong_names


def test_one_person_alone_cannot_be_mistaken_for_another() -> None:
    with pytest.raises(ValueError, match="2 faces of 1 people"):
        take_turns(np.zeros((2, 3), np.float32), ["ada", "ada"])
