"""What is not decoded, since a new group of pictures begins before anything is wanted."""

from pathlib import Path

import numpy as np
import pytest

from cloud.videos.containers import open_container
from cloud.videos.damage import Damage
from cloud.videos.decoding import Decoding
from cloud.videos.film import Still, open_film
from cloud.videos.sampling import Sampling
from tests.cloud.videos.film_making import LAYERED, QUICK, Picture, write_film

SECONDS, FPS = 6, 25
OPEN = {**LAYERED, "x264-params": "open-gop=1"}
STRIPES = {**QUICK, "g": "25", "x264-params": "intra-refresh=1"}
HEVC = {"x265-params": "log-level=none:keyint=25:min-keyint=25"}

FILMS: list[tuple[str, dict[str, object]]] = [
    ("layered.mp4", {"options": LAYERED}),
    ("layered.mkv", {"options": LAYERED}),
    ("layered.ts", {"options": LAYERED, "container": "mpegts"}),
    ("open.mp4", {"options": OPEN}),
    ("open.ts", {"options": OPEN, "container": "mpegts"}),
    ("stripes.mp4", {"options": STRIPES}),
    ("stripes.ts", {"options": STRIPES, "container": "mpegts"}),
    ("hevc.mp4", {"codec": "libx265", "options": HEVC}),
    ("hevc.ts", {"codec": "libx265", "options": HEVC, "container": "mpegts"}),
    ("hevc-open.mp4", {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=25"}}),
    ("layered.h264", {"options": LAYERED, "container": "h264"}),
    ("open.h264", {"options": OPEN, "container": "h264"}),
    ("stripes.h264", {"options": STRIPES, "container": "h264"}),
    ("raw.hevc", {"codec": "libx265", "options": HEVC, "container": "hevc"}),
    ("two-keys.mp4", {"options": {**QUICK, "g": "10"}}),
]


def moving() -> list[Picture]:
    """Make pictures that each differ from the one before, in all their parts."""
    random = np.random.default_rng(3)
    room = random.integers(0, 255, (300, 500, 3), np.uint8)
    return [
        np.ascontiguousarray(room[i : i + 128, 2 * i : 2 * i + 160]) for i in range(SECONDS * FPS)
    ]


def taken(path: Path, sampling: str) -> list[Still]:
    with open_film(path) as film:
        stills = list(film.stills(Sampling.parse(sampling)))
        assert film.problems == ()
        return stills


def decoded(path: Path, *, due_ms: float) -> int:
    """Count the frames that are decoded if, after the first, none before *due_ms* is wanted."""
    opened = open_container(path)
    try:
        decoding = Decoding(opened, Damage())
        assert decoding.first() is not None
        decoding.needless_before_ms = due_ms
        return sum(1 for _ in decoding)
    finally:
        opened.close()


@pytest.mark.parametrize("sampling", ["every:0.5", "every:0.7", "every:1", "every:2.3", "every:5"])
@pytest.mark.parametrize(("name", "how"), FILMS)
def test_it_does_not_change_a_still(
    tmp_path: Path, name: str, how: dict[str, object], sampling: str
) -> None:
    path = write_film(tmp_path / name, moving(), **how)  # type: ignore[arg-type]
    every = {still.offset_s: still.frame for still in taken(path, "all")}
    chosen = Sampling.parse(sampling)

    few = taken(path, sampling)

    due_ms, expected = 0.0, []
    for offset_s in sorted(every):
        if offset_s * 1000 >= due_ms:
            expected.append(offset_s)
            due_ms = chosen.due_ms(round(offset_s * 1000))
    assert [still.offset_s for still in few] == expected
    assert all(np.array_equal(still.frame, every[still.offset_s]) for still in few)


@pytest.mark.parametrize(
    ("name", "how", "most"),
    [
        ("layered.mp4", {"options": LAYERED}, 0.6),
        ("hevc.mp4", {"codec": "libx265", "options": HEVC}, 0.6),
        ("hevc.ts", {"codec": "libx265", "options": HEVC, "container": "mpegts"}, 0.6),
        ("quick.mp4", {"options": {**QUICK, "g": "25"}}, 0.6),
        ("layered.h264", {"options": LAYERED, "container": "h264"}, 0.6),
        ("quick.h264", {"options": {**QUICK, "g": "25"}, "container": "h264"}, 0.6),
        ("stripes.mp4", {"options": STRIPES}, 1.0),
    ],
)
def test_groups_of_which_nothing_is_wanted_are_not_decoded(
    tmp_path: Path, name: str, how: dict[str, object], most: float
) -> None:
    path = write_film(tmp_path / name, moving(), **how)  # type: ignore[arg-type]

    assert decoded(path, due_ms=4000) <= most * SECONDS * FPS


def test_a_film_of_one_group_is_decoded_whole(tmp_path: Path) -> None:
    path = write_film(tmp_path / "one.mp4", moving(), options={**QUICK, "g": "1000"})

    assert decoded(path, due_ms=5000) == SECONDS * FPS
