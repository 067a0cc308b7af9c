import json
from pathlib import Path

import pytest

from infra.bench.video_chain import LongFilm, ManyFilms, bounds, write


def many(**fields: object) -> ManyFilms:
    figures: dict[str, object] = {
        "sampling": "every:0.5",
        "videos": 100,
        "answered": 100,
        "seconds": 50.0,
        "videos_per_s": 2.0,
        "stills_per_s": 12.0,
        "latency_p50_s": 20.0,
        "latency_p95_s": 45.0,
        "latency_max_s": 50.0,
        "workers": 2,
        "engine_per_s": 7.5,
        "split_s": 0.2,
        "stills_each": 6.0,
        "cores": 2,
        "failed": (),
        "memory_mb": {"recognize_video": 200.0},
        "processes": {"recognize_video": 2},
        "cpu_s": {"recognize_video": 100.0},
    }
    return ManyFilms(**{**figures, **fields})  # type: ignore[arg-type]


def test_throughput_is_held_against_the_workers_engines() -> None:
    assert many().share == pytest.approx(12 / 15)


def test_and_against_the_time_that_the_workers_were_busy() -> None:
    # 600 stills in 100 s of processor time, where the engine alone does 7.5 a second.
    assert many().share_of_core == pytest.approx(0.8)


def test_and_against_what_the_cores_could_do() -> None:
    # A film takes 0.2 s of cutting and 0.8 s in the engine; two cores end two a second.
    assert many().share_of_cores == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("long_s", "fields", "dense", "missed"),
    [
        (30.0, {}, {}, []),
        (30.1, {}, {}, ["one film, ÷ real time"]),
        (30.0, {"answered": 99}, {}, ["complete, ÷ sent"]),
        (30.0, {"failed": ("100 × incomplete",)}, {}, ["complete, ÷ sent"]),
        (30.0, {}, {"answered": 99}, ["complete of the dense ones, ÷ sent"]),
        (30.0, {"stills_per_s": 5.0}, {}, []),
        (30.0, {}, {"stills_per_s": 11.0}, ["the same of the dense ones, by the clock"]),
        (
            30.0,
            {"cpu_s": {"recognize_video": 200.0}},
            {},
            ["stills/s, ÷ workers × engine, by their processor time"],
        ),
        (30.0, {}, {"processes": {"recognize_video": 3}}, ["workers at once, ÷ those told"]),
    ],
)
def test_each_bound_is_judged(
    long_s: float, fields: dict[str, object], dense: dict[str, object], missed: list[str]
) -> None:
    long = LongFilm(film_s=60, whole_s=long_s, stills=120)

    judged = bounds(long, many(**fields), many(**dense))

    assert len(judged) == 6
    assert [what for what, *_, ok in judged if not ok] == missed


def test_figures_are_written_with_the_machine(tmp_path: Path) -> None:
    write(tmp_path / "f.jsonl", LongFilm(film_s=60, whole_s=24, stills=120), many(), many())

    long, short, _ = map(json.loads, (tmp_path / "f.jsonl").read_text().splitlines())
    assert (long["kind"], long["share"]) == ("LongFilm", 0.4)
    assert (short["kind"], short["videos"]) == ("ManyFilms", 100)
    assert short["cores"] > 0
