"""Films that are damaged: what can be decoded is used, and what cannot is said."""

from pathlib import Path

import av
import numpy as np
import pytest

from cloud.videos.film import open_film
from cloud.videos.sampling import Sampling
from sightline.errors import VideoError
from tests.cloud.videos.film_making import LAYERED, number_in, write_numbers


def played(path: Path, sampling: str = "all") -> tuple[list[int], list[float], tuple[str, ...]]:
    """The numbers, the offsets, the problems."""
    with open_film(path) as film:
        taken = list(film.stills(Sampling.parse(sampling)))
        return [number_in(s.frame) for s in taken], [s.offset_s for s in taken], film.problems


FASTSTART = {"movflags": "faststart"}


def test_a_tail_that_was_cut_off_is_said(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "a.mp4", 100, muxing=FASTSTART)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])

    numbers, offsets, problems = played(path)

    assert 50 < len(numbers) < 80
    assert numbers == list(range(len(numbers)))
    assert offsets == [number / 25 for number in numbers]
    assert any("cut off" in each and "in its index" in each for each in problems)
    assert any(f"{99 - len(numbers)} frames" in each for each in problems)


def test_a_cut_tail_is_said_when_few_frames_are_wanted(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "a.mp4", 100, muxing=FASTSTART, options=LAYERED)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    numbers, _, problems = played(path, "every:1")
    assert numbers[:2] == [0, 25]
    assert any("cut off" in each for each in problems)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.mkv", {}),
        ("a.ts", {"container": "mpegts"}),
        ("a.h264", {"container": "h264"}),
        ("a.avi", {"codec": "mpeg4", "options": {}}),
        ("f.mp4", {"muxing": {"movflags": "frag_keyframe+empty_moov"}, "options": LAYERED}),
    ],
)
def test_what_is_left_of_a_cut_file_is_used(
    tmp_path: Path, name: str, how: dict[str, object]
) -> None:
    path = write_numbers(tmp_path / name, 100, **how)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    numbers, _, _ = played(path)
    assert 40 < len(numbers) < 85
    assert numbers == list(range(len(numbers)))


def test_a_matroska_file_that_ends_too_early_is_said(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "a.mkv", 100)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    numbers, _, problems = played(path)
    assert 30 < len(numbers) < 70
    assert any("the file says that it lasts 4.0 s" in each for each in problems)


def damaged(path: Path, begin: float, end: float) -> None:
    """Overwrite a part of a file with noise."""
    data = bytearray(path.read_bytes())
    first, last = int(len(data) * begin), int(len(data) * end)
    data[first:last] = np.random.default_rng(5).bytes(last - first)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.mp4", {"muxing": FASTSTART}),
        ("a.ts", {"container": "mpegts"}),
        ("a.h264", {"container": "h264"}),
    ],
)
def test_a_damaged_middle_is_left_out_and_said(
    tmp_path: Path, name: str, how: dict[str, object]
) -> None:
    grouped = {"preset": "ultrafast", "crf": "23", "g": "10"}
    path = write_numbers(tmp_path / name, 100, options=grouped, **how)
    damaged(path, 0.50, 0.56)

    numbers, offsets, problems = played(path)

    assert numbers[:40] == list(range(40))
    assert numbers[-25:] == list(range(75, 100))
    assert offsets[-1] == pytest.approx(99 / 25, abs=0.5)  # raw: the lost ones count for nothing
    words = ("impossible to decode", "damaged", "incomplete", "gave no frame")
    assert any(word in each for each in problems for word in words)


def test_a_still_that_is_due_in_the_damaged_part_is_the_next_whole_frame(tmp_path: Path) -> None:
    intra = {"preset": "ultrafast", "crf": "23", "g": "1"}  # each frame stands for itself
    path = write_numbers(tmp_path / "a.mp4", 100, options=intra, muxing=FASTSTART)
    damaged(path, 0.48, 0.55)

    numbers, offsets, problems = played(path, "every:1")

    assert len(numbers) == 4
    assert numbers[:2] == [0, 25]
    assert 50 < numbers[2] < 60
    assert numbers[3] == 75
    assert offsets == [number / 25 for number in numbers]
    assert problems


def test_a_scene_whose_first_frame_is_damaged_is_seen_by_its_next(tmp_path: Path) -> None:
    intra = {"preset": "ultrafast", "crf": "23", "g": "1", "x264-params": "slices=4"}
    path = write_numbers(tmp_path / "a.mp4", 30, options=intra)
    with av.open(str(path)) as opened:
        packet = next(opened.demux(video=0))
        assert packet.pos is not None
        begin, size = packet.pos, len(path.read_bytes())
    damaged(path, (begin + packet.size * 0.7) / size, (begin + packet.size * 0.9) / size)
    assert played(path, "all")[0][0] == 1  # of the very first frame the end is damaged

    numbers, _, problems = played(path, "scenes")

    assert numbers == [1]
    assert problems


def test_a_whole_film_has_no_problems(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "a.mp4", 100, options=LAYERED, sound=True)
    for sampling in ("all", "every:0.5", "scenes"):
        assert played(path, sampling)[2] == ()


def test_times_that_go_back_are_put_behind_each_other(tmp_path: Path) -> None:
    first = write_numbers(tmp_path / "1.ts", 50, container="mpegts")
    again = write_numbers(tmp_path / "2.ts", 30, container="mpegts")
    path = tmp_path / "both.ts"
    path.write_bytes(first.read_bytes() + again.read_bytes())

    numbers, offsets, problems = played(path)

    assert numbers == [*range(50), *range(30)]
    assert offsets == sorted(offsets)
    assert offsets[50] == pytest.approx(2.0, abs=0.01)
    assert offsets[-1] == pytest.approx(79 / 25, abs=0.01)
    leap = "the times in the file leap after 1.960 s: what follows was put right behind it"
    assert problems[-1] == leap


def test_a_file_that_is_cut_anywhere_causes_no_error_but_ours(tmp_path: Path) -> None:
    data = write_numbers(tmp_path / "a.mp4", 12, muxing=FASTSTART).read_bytes()
    path = tmp_path / "cut.mp4"
    opened = 0
    for length in range(1, len(data), len(data) // 60):
        path.write_bytes(data[:length])
        try:
            numbers, _, _ = played(path)
        except VideoError:
            continue
        opened += 1
        assert numbers == list(range(len(numbers)))
    assert opened


@pytest.mark.parametrize("said", ["1e9:00:00", "-1:00:00", "", "x", "0:0:0", "99999:00:00"])
def test_a_duration_that_is_nonsense_does_no_harm(tmp_path: Path, said: str) -> None:
    path = write_numbers(tmp_path / "a.mkv", 10)
    tag = b"00:00:00.400000000"
    data = path.read_bytes()
    assert data.count(tag) == 1
    path.write_bytes(data.replace(tag, said.encode().ljust(len(tag), b"\0")))
    numbers, _, problems = played(path)
    assert numbers == list(range(10))
    assert problems == ()
