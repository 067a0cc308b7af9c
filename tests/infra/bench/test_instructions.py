"""Instructions a frame: how they are counted, and what a Pi 4 is taken to make of them."""

import shutil
import sys

import pytest

from infra.bench.instructions import (
    WORKS,
    Work,
    count,
    do,
    figures,
    film,
    on_a_pi_4_ms,
    summary,
    told,
)
from sightline.errors import ConfigError


def test_an_estimate_names_its_range_and_what_it_assumes() -> None:
    counted, estimated = told(WORKS[0], 3_000_000)

    assert on_a_pi_4_ms(3_000_000) == pytest.approx((4 / 3, 4))
    assert (counted.value, counted.unit) == (3, "M")
    assert (estimated.value, estimated.unit) == (4, "ms")
    assert "1.33 to 4 ms" in estimated.detail
    assert "1.5 GHz" in estimated.detail
    assert "NEON" in estimated.detail
    assert (counted.most, estimated.most) == (None, None)  # nobody has measured a Pi


def test_without_valgrind_it_says_how_to_get_it_and_counts_nothing() -> None:
    said: list[str] = []

    assert figures(said.append, find=lambda _: None) == []
    assert "apt-get install valgrind" in said[0]


def test_the_count_is_read_from_the_last_line_of_cachegrind() -> None:
    assert summary("events: Ir\nfn=a\n1 20\nsummary: 1415897929\n") == 1_415_897_929


@pytest.mark.parametrize("out", ["", "summary:", "summary: many", "fn=summary"])
def test_an_output_without_a_count_is_refused(out: str) -> None:
    with pytest.raises(ConfigError, match="counted nothing"):
        summary(out)


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_each_work_can_be_done_on_its_film(work: Work) -> None:
    images = film(work.name)

    assert images.shape == (6, 480, 640, 3)
    do(work.name, images, 1)


def test_what_valgrind_cannot_run_is_told() -> None:
    # A program that is no valgrind: it does not know the options.
    with pytest.raises(ConfigError, match="cannot count"):
        count(sys.executable, "motion", 1)


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
def test_more_frames_take_more_instructions() -> None:
    valgrind = shutil.which("valgrind")
    assert valgrind is not None
    few, more = (count(valgrind, "motion", frames) for frames in (1, 21))

    assert 1e6 < (more - few) / 20 < 1e7
