"""Texts in one piece of memory are found as those of a list are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.faces.texts import Texts

# Few letters, so that one is often the beginning, the end or the middle of another.
words = st.lists(st.text("ab-ä", max_size=4), max_size=90)


@given(words, st.sets(st.text("ab-ä", max_size=4), max_size=80))
def test_they_are_at_the_places_of_a_list(given_texts: list[str], wanted: set[str]) -> None:
    texts = Texts.of(given_texts)

    assert len(texts) == len(given_texts)
    assert list(texts) == given_texts
    assert [texts[i] for i in range(len(texts))] == given_texts
    assert texts.find(wanted) == {i for i, text in enumerate(given_texts) if text in wanted}


def test_there_is_none_beyond_the_last() -> None:
    with pytest.raises(IndexError):
        Texts.of(["ada"])[1]


def test_what_would_end_a_text_early_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        Texts.of(["a\0b"])
