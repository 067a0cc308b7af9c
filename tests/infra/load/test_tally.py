import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infra.evaluation.chart import BLUE, RED
from infra.load.expected import difference, read_expected
from infra.load.plot import latency_plot
from infra.load.tally import Fate, Run, failures, figures, reasons, rows, write_json
from sightline.errors import ConfigError


def made(*latencies: float | None, **fields: object) -> Run:
    fates = tuple(
        Fate(
            name=f"load/r/{number:05}-a.mp4",
            begun_s=float(number),
            sent_s=number + 0.1,
            answered_s=None if late is None else number + late,
            stills=6,
            failure="no result within 9 s" if late is None else None,
        )
        for number, late in enumerate(latencies)
    )
    return Run(what="videos", asked_rate=1, fates=fates)


def dots(colour: tuple[int, int, int], picture: Image.Image) -> np.ndarray:
    """Where that colour is, below the legend."""
    pixels = np.asarray(picture, np.int16)
    at = np.argwhere((np.abs(pixels - colour) < 8).all(axis=2))
    return at[at[:, 0] > 70]


def test_throughput_and_latencies_are_of_the_whole_run() -> None:
    of = figures(made(*[1.0] * 18, 3.0, 9.0))

    assert (of.sent, of.answered, of.failed) == (20, 20, 0)
    assert of.seconds == 19 + 9
    assert of.answered_per_s == pytest.approx(20 / 28, abs=0.001)
    assert of.stills_per_s == pytest.approx(120 / 28, abs=0.001)
    assert of.sent_per_s == 1
    assert (of.latency_p50_s, of.latency_p95_s, of.latency_max_s) == (1.0, 3.0, 9.0)


def test_a_run_without_any_answer_has_no_latency() -> None:
    of = figures(made(None, None))

    assert (of.answered, of.failed, of.latency_p50_s, of.answered_per_s) == (0, 2, None, 0)
    assert ("answered", "0 in 0.0 s") in rows(made(None, None))


def test_a_run_of_nothing_can_be_summed_up() -> None:
    assert figures(made()).sent == 0
    assert latency_plot(made()).size == (880, 600)


def test_failures_are_counted_by_reason_and_named() -> None:
    fates = [Fate(name=f"{i}", begun_s=i, failure=f"refused: no_frames: in {i}") for i in range(30)]
    run = Run(what="videos", asked_rate=1, fates=[*fates, *made(None).fates])

    assert reasons(run) == {"refused": 30, "no result within 9 s": 1}
    named = failures(run)
    assert named[0] == "0: refused: no_frames: in 0"
    assert named[-1] == "… and 11 more"


def test_the_report_says_what_became_of_each(tmp_path: Path) -> None:
    write_json(tmp_path / "report.json", made(1.0, None), stack="sightline")

    said = json.loads((tmp_path / "report.json").read_text())
    assert (said["stack"], said["figures"]["answered"]) == ("sightline", 1)
    assert [each["failure"] for each in said["fates"]] == [None, "no result within 9 s"]


def test_the_plot_has_a_dot_for_each_result_and_the_later_ones_stand_higher(
    tmp_path: Path,
) -> None:
    path = tmp_path / "latency.png"
    latency_plot(made(*[0.5] * 10, *[20.0] * 10)).save(path)

    with Image.open(path) as picture:
        assert picture.size == (880, 600)
        blue = dots(BLUE, picture.convert("RGB"))
    left, right = blue[blue[:, 1] < 440], blue[blue[:, 1] > 520]
    assert left[:, 0].mean() > right[:, 0].mean() + 100
    assert not dots(RED, latency_plot(made(0.5))).size


def test_what_was_not_answered_is_red_and_on_top() -> None:
    red = dots(RED, latency_plot(made(0.5, None, 0.5)))

    assert red.size
    assert red[:, 0].max() < 84 + 8


def test_thousands_of_dots_are_smaller() -> None:
    few, many = latency_plot(made(*[1.0] * 2)), latency_plot(made(*[1.0] * 1200))

    last_few, last_many = dots(BLUE, few), dots(BLUE, many)
    assert np.ptp(last_few[:, 0]) > np.ptp(last_many[:, 0])


def test_expected_names_are_read_a_row_a_person(tmp_path: Path) -> None:
    path = tmp_path / "expected.csv"
    path.write_text("\ufefffile,name\na.mp4,Ada\na.mp4, Grace \nb.mp4,\n", encoding="utf-8")

    assert read_expected(path) == {"a.mp4": {"Ada", "Grace"}, "b.mp4": set()}


def test_a_csv_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "expected.csv"
    path.write_text("video,name\n")

    with pytest.raises(ConfigError, match="file is missing"):
        read_expected(path)


def test_names_that_differ_are_told() -> None:
    assert difference(frozenset("ab"), frozenset("ab")) is None
    assert difference(frozenset("ab"), frozenset("bc")) == "not seen: a; seen and not expected: c"
