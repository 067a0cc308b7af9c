"""Whole films, of every kind that people have."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from cloud.videos.film import Film, Still, open_film
from cloud.videos.sampling import Sampling
from tests.cloud.videos.film_making import (
    LAYERED,
    number_in,
    numbered,
    write_film,
    write_numbers,
)


def stills(path: Path, sampling: str = "all", **how: object) -> list[Still]:
    with open_film(path) as film:
        return list(film.stills(Sampling.parse(sampling), **how))  # type: ignore[arg-type]


def numbers(path: Path, sampling: str = "all") -> list[int]:
    return [number_in(still.frame) for still in stills(path, sampling)]


def offsets(path: Path, sampling: str = "all") -> list[float]:
    return [still.offset_s for still in stills(path, sampling)]


def test_a_still_is_taken_every_half_second(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "a.mp4", 50)

    taken = stills(path, "every:0.5")

    assert [still.number for still in taken] == [1, 2, 3, 4]
    assert [still.offset_s for still in taken] == [0.0, 0.52, 1.0, 1.52]
    assert [number_in(still.frame) for still in taken] == [0, 13, 25, 38]


def test_candidates_for_the_first_usable_one_are_half_a_second_apart(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "a.mp4", 50)
    assert numbers(path, "first") == [0, 13, 25, 38]


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.mp4", {"options": LAYERED}),
        ("a.mov", {"options": LAYERED}),
        ("a.mkv", {"options": LAYERED}),
        ("a.ts", {"container": "mpegts", "options": LAYERED}),
        ("a.flv", {"options": LAYERED}),
        ("fragments.mp4", {"muxing": {"movflags": "frag_keyframe+empty_moov"}, "options": LAYERED}),
        ("raw.h264", {"container": "h264", "options": LAYERED}),
        ("out-of-order.avi", {"options": LAYERED}),
        ("a.webm", {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "deadline": "realtime"}}),
        ("old.avi", {"codec": "mpeg4", "options": {"b": "4M"}}),
        ("old.mpg", {"codec": "mpeg2video", "options": {"b": "4M"}}),
        (
            "hevc.mp4",
            {"codec": "libx265", "options": {"x265-params": "log-level=none", "crf": "23"}},
        ),
        ("sound.mp4", {"options": LAYERED, "sound": True}),
    ],
)
def test_each_container_gives_each_frame_at_its_time(
    tmp_path: Path, name: str, how: dict[str, object]
) -> None:
    path = write_numbers(tmp_path / name, 40, **how)

    taken = stills(path)

    assert [number_in(still.frame) for still in taken] == list(range(40))
    assert [still.offset_s for still in taken] == pytest.approx(
        [number / 25 for number in range(40)], abs=0.0011
    )
    with open_film(path) as film:
        list(film.stills(Sampling(mode="all")))
        assert film.problems == ()


def test_what_no_other_frame_needs_is_left_out_without_changing_a_still(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    room = random.integers(0, 255, (200, 300, 3), np.uint8)
    moving = [np.ascontiguousarray(room[i : i + 128, 2 * i : 2 * i + 160]) for i in range(70)]
    path = write_film(tmp_path / "a.mp4", moving, options=LAYERED)

    every = {still.offset_s: still.frame for still in stills(path)}
    few = stills(path, "every:0.7")

    assert len(few) == 4
    for still in few:
        assert np.array_equal(still.frame, every[still.offset_s])


def test_frames_of_varying_length_are_taken_by_their_times(tmp_path: Path) -> None:
    at_s = [0, 0.1, 0.2, 0.9, 1.0, 1.4, 3.0, 3.1, 3.2, 3.5]
    path = write_numbers(tmp_path / "a.mp4", len(at_s), at_s=at_s)

    taken = stills(path, "every:0.5")

    # Due at 0, 0.5, 1, 1.5; then nothing is due until a frame comes, and one at the next multiple.
    assert [number_in(still.frame) for still in taken] == [0, 3, 4, 6, 9]
    assert [still.offset_s for still in taken] == [0, 0.9, 1.0, 3.0, 3.5]


def test_ntsc_times_do_not_drift_over_a_long_film(tmp_path: Path) -> None:
    at_s = [number * 1001 / 30_000 * 30 for number in range(900)]  # every 30th frame of 15 minutes
    path = write_numbers(tmp_path / "a.mp4", len(at_s), at_s=at_s)
    taken = offsets(path, "every:60")
    assert len(taken) == 15
    assert all(0 <= at - 60 * i < 1.001 for i, at in enumerate(taken))


def test_raw_h264_is_played_at_the_rate_that_it_names(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "a.h264", 60, fps=30, container="h264")
    with open_film(path) as film:
        assert film.rate == 30
        assert film.duration_s is None
    assert numbers(path, "every:0.5") == [0, 15, 30, 45]


def test_a_raw_stream_that_names_no_rate_is_played_at_25(tmp_path: Path) -> None:
    silent = {"x265-params": "log-level=none:vui-timing-info=0", "crf": "23"}
    path = write_numbers(
        tmp_path / "a.hevc", 50, fps=60, codec="libx265", options=silent, container="hevc"
    )
    with open_film(path) as film:
        assert film.rate == 25
    assert offsets(path, "every:1") == [0, 1]


def test_a_file_is_known_by_its_bytes_not_by_its_name(tmp_path: Path) -> None:
    written = write_numbers(tmp_path / "a.mkv", 10)
    renamed = written.rename(tmp_path / "concat:%03d.m3u8")
    assert numbers(renamed) == list(range(10))


def test_the_film_tells_what_the_file_says(tmp_path: Path) -> None:
    recorded = {"creation_time": "2024-05-01T10:20:30.000000Z"}
    path = write_numbers(tmp_path / "a.mp4", 50, fps=20, metadata=recorded)
    with open_film(path) as film:
        assert film.codec == "h264"
        assert (film.width, film.height) == (128, 64)
        assert film.duration_s == pytest.approx(2.5)
        assert film.rate == pytest.approx(20)
        assert film.created_at == datetime(2024, 5, 1, 10, 20, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2024-05-01T12:20:30+02:00", datetime(2024, 5, 1, 10, 20, 30, tzinfo=UTC)),
        ("2024-05-01 10:20:30", datetime(2024, 5, 1, 10, 20, 30, tzinfo=UTC)),
        ("1904-01-01T00:00:00Z", None),
        ("1970-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_time_of_recording_that_cannot_be_is_none(
    tmp_path: Path, said: str, expected: datetime | None
) -> None:
    path = write_numbers(tmp_path / "a.mkv", 2, metadata={"creation_time": said})
    with open_film(path) as film:
        assert film.created_at == expected


def test_metadata_that_is_no_utf_8_does_no_harm(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "a.mkv", 2, metadata={"title": "summer-party"})
    path.write_bytes(path.read_bytes().replace(b"summer-party", b"\xff\xfe\xfa\xe4\xf6\xfcsummer"))
    assert numbers(path) == [0, 1]


def test_scenes_give_the_first_frame_of_each(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    rooms = random.integers(0, 255, (3, 9, 16, 3), np.uint8)
    pictures = [
        np.roll(np.kron(rooms[scene], np.ones((16, 16, 1), np.uint8)), frame, axis=1)
        for scene in range(3)
        for frame in range(20)
    ]
    path = write_film(tmp_path / "a.mp4", pictures, fps=10)
    assert offsets(path, "scenes") == [0.0, 2.0, 4.0]
    assert offsets(path, "scenes:1") == [0.0]


def test_a_long_scene_gives_a_still_each_half_minute(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "a.mp4", 80, fps=1)
    assert offsets(path, "scenes:1") == [0.0, 30.0, 60.0]
    with open_film(path) as film:
        rest = [still.offset_s for still in film.stills(Sampling.parse("scenes:1"), after_s=30.0)]
    assert rest == [60.0]


def test_one_film_may_be_sampled_twice(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "a.mp4", 30)
    with open_film(path) as film:
        begun = film.stills(Sampling(mode="all"))
        assert number_in(next(begun).frame) == 0
        assert [number_in(still.frame) for still in film.stills(Sampling())] == [0, 13, 25]


def test_a_closed_film_has_let_go_of_its_file(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "a.mp4", 3)
    with open_film(path) as film:
        next(film.stills(Sampling()))
    assert str(path) not in [str(each.resolve()) for each in Path("/proc/self/fd").iterdir()]
    film.close()


def test_a_missing_file_is_the_callers_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Film(tmp_path / "none.mp4")


def test_numbers_go_on_from_where_they_are_told(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", map(numbered, range(30)))
    assert [still.number for still in stills(path, first_number=11)][:3] == [11, 12, 13]
