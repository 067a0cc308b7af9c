"""Going on behind a still gives the very stills that would have come after it."""

from pathlib import Path

import numpy as np
import pytest

from cloud.videos.film import Still, open_film
from cloud.videos.sampling import Sampling
from tests.cloud.videos.film_making import LAYERED, Picture, write_film, write_numbers

OPEN_GROUPS = {**LAYERED, "x264-params": "open-gop=1:keyint=20:scenecut=0"}


def moving(count: int) -> list[Picture]:
    """A view that pans over a room, and jumps to another each 37 frames."""
    random = np.random.default_rng(2)
    room = np.kron(random.integers(0, 255, (40, 60, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
    places = [(5 * (i // 37) * 7 % 150, 2 * i % 250) for i in range(count)]
    return [np.ascontiguousarray(room[y : y + 96, x : x + 160]) for y, x in places]


def taken(path: Path, sampling: Sampling, **how: object) -> list[Still]:
    with open_film(path) as film:
        return list(film.stills(sampling, **how))  # type: ignore[arg-type]


def told(stills: list[Still]) -> list[tuple[int, float, bytes]]:
    return [(still.number, still.offset_s, still.frame.tobytes()) for still in stills]


@pytest.mark.parametrize("sampling", ["every:0.5", "every:0.13", "all", "scenes:0.05", "first"])
@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.mp4", {"options": LAYERED}),
        ("open.mp4", {"options": OPEN_GROUPS}),
        ("a.mkv", {"options": OPEN_GROUPS}),
        ("fragments.mp4", {"options": LAYERED, "muxing": {"movflags": "frag_keyframe+empty_moov"}}),
        ("a.ts", {"options": LAYERED, "container": "mpegts"}),
        ("a.h264", {"options": LAYERED, "container": "h264"}),
        ("a.avi", {"options": LAYERED}),
        ("hevc.mp4", {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=20"}}),
    ],
)
def test_it_goes_on_as_if_it_had_not_stopped(
    tmp_path: Path, name: str, how: dict[str, object], sampling: str
) -> None:
    path = write_film(tmp_path / name, moving(160), **how)  # type: ignore[arg-type]
    chosen = Sampling.parse(sampling)
    whole = told(taken(path, chosen))
    assert len(whole) > 3
    for stop in range(0, len(whole), max(1, len(whole) // 6)):
        number, offset_s, _ = whole[stop]
        rest = taken(path, chosen, after_s=offset_s, first_number=number + 1)
        assert told(rest) == whole[stop + 1 :]


def test_frames_of_varying_length_go_on_so_too(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    at_s = [0.0, *np.cumsum(random.choice([0.02, 0.04, 0.3, 2.5], 120)).tolist()]
    path = write_film(tmp_path / "a.mp4", moving(len(at_s)), at_s=at_s, options=OPEN_GROUPS)
    chosen = Sampling.parse("every:0.4")
    whole = told(taken(path, chosen))
    for number, offset_s, _ in whole:
        rest = taken(path, chosen, after_s=offset_s, first_number=number + 1)
        assert told(rest) == whole[number:]


def test_behind_the_last_there_is_nothing(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "a.mp4", 100, options=LAYERED)
    chosen = Sampling.parse("every:0.5")
    last = taken(path, chosen)[-1]
    assert taken(path, chosen, after_s=last.offset_s) == []
    assert taken(path, chosen, after_s=1e6) == []


def test_one_open_film_may_go_on_at_several_places(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "a.mp4", 200, options=LAYERED)
    chosen = Sampling.parse("every:0.5")
    with open_film(path) as film:
        later = [still.offset_s for still in film.stills(chosen, after_s=6.0)]
        earlier = [still.offset_s for still in film.stills(chosen, after_s=2.0)]
    assert later == [6.52, 7.0, 7.52]
    assert earlier[-3:] == later


def test_what_was_damaged_before_is_not_told_again(tmp_path: Path) -> None:
    grouped = {"preset": "ultrafast", "crf": "23", "g": "10"}
    path = write_numbers(tmp_path / "a.ts", 100, options=grouped, container="mpegts")
    data = bytearray(path.read_bytes())
    data[len(data) // 4 : len(data) // 4 + 2000] = bytes(2000)
    path.write_bytes(data)
    with open_film(path) as film:
        list(film.stills(Sampling()))
        assert film.problems
    with open_film(path) as film:
        list(film.stills(Sampling(), after_s=2.52))
        assert film.problems == ()
