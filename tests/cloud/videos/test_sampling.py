import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.videos.sampling import LONGEST_US, SHORTEST_US, Sampling
from sightline.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "sampling"),
    [
        ("first", Sampling(mode="first")),
        ("every:0.5", Sampling()),
        ("0.5", Sampling()),
        (".5", Sampling()),
        ("every:2", Sampling(every_us=2_000_000)),
        ("0.04", Sampling(every_us=40_000)),
        ("all", Sampling(mode="all")),
        ("scenes", Sampling(mode="scenes")),
        ("scenes:0.12", Sampling(mode="scenes", threshold=0.12)),
        (" Every:0.5 ", Sampling()),
    ],
)
def test_each_form_is_read(text: str, sampling: Sampling) -> None:
    assert Sampling.parse(text) == sampling


@pytest.mark.parametrize(
    "text",
    [
        *("", "every", "every:", "every:x", "every:0", "0", "-1", "1e3", "nan", "inf", "0.001"),
        *("100000", "all:1", "first:2", "scenes:", "scenes:0", "scenes:1.5", "scene", "٣", "½"),
        *("every:0.5:1", "every: 0.5", "0.5s", "a" * 5000),
    ],
)
def test_what_is_no_sampling_is_refused_in_one_short_line(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Sampling.parse(text)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 200


def test_the_refusal_says_what_may_be_given() -> None:
    with pytest.raises(ConfigError, match=r"first, every:0\.5 .*, all, scenes"):
        Sampling.parse("fast")


def test_a_mode_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigError, match="no sampling 'often'"):
        Sampling(mode="often")  # type: ignore[arg-type]


samplings = st.one_of(
    st.sampled_from([Sampling(mode="first"), Sampling(mode="all")]),
    st.builds(Sampling, every_us=st.integers(SHORTEST_US, LONGEST_US)),
    st.integers(1, 1_000_000).map(lambda n: Sampling(mode="scenes", threshold=n / 1e6)),
)


@given(samplings)
def test_the_text_of_a_sampling_reads_as_the_same(sampling: Sampling) -> None:
    assert Sampling.parse(str(sampling)) == sampling


@given(st.text())
def test_a_stranger_can_cause_no_error_but_ours(text: str) -> None:
    with contextlib.suppress(ConfigError):
        Sampling.parse(text)


@given(st.integers(SHORTEST_US, LONGEST_US), st.integers(0, 10**8))
def test_due_times_are_multiples_and_never_drift(every_us: int, after_ms: int) -> None:
    due_ms = Sampling(every_us=every_us).due_ms(after_ms)
    assert due_ms > after_ms
    assert round(due_ms * 1000) % every_us == 0
    assert due_ms - after_ms <= every_us / 1000 + 1e-6


def test_the_first_frame_is_always_due() -> None:
    for mode in ("first", "every", "all", "scenes"):
        assert Sampling(mode=mode).due_ms(None) == 0  # type: ignore[arg-type]
