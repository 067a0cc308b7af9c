from pathlib import Path

import pytest

from cloud.videos.naming import name_of
from infra.videos.files import VideoFile, check_sizes, videos_of
from sightline.errors import ConfigError


def make(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in names]
    for path in paths:
        path.write_bytes(b"video")
    return paths


def test_a_file_goes_under_its_own_name(tmp_path: Path) -> None:
    [path] = make(tmp_path, "party äöü 1.2.mp4")

    [found] = videos_of([path])

    assert (found.key, found.name) == ("party äöü 1.2.mp4", "party äöü 1.2")


def test_a_folder_stands_for_the_videos_directly_in_it(tmp_path: Path) -> None:
    make(tmp_path, "b.MOV", "a.mp4", "notes.txt")
    make(tmp_path / "deeper.mp4", "c.mp4")

    assert [each.key for each in videos_of([tmp_path])] == ["a.mp4", "b.MOV"]


def test_two_files_of_one_name_get_different_ones(tmp_path: Path) -> None:
    [one] = make(tmp_path / "1", "a.mp4")
    [two, other] = make(tmp_path / "2", "a.mp4", "a.mov")
    [taken] = make(tmp_path / "3", "a-2.mp4")

    keys = [each.key for each in videos_of([one, two, other, taken])]

    assert keys == ["a.mp4", "a-2.mp4", "a-3.mov", "a-2-2.mp4"]
    assert len({name_of(key) for key in keys}) == 4


def test_a_file_that_is_named_twice_goes_once(tmp_path: Path) -> None:
    [path] = make(tmp_path, "a.mp4")

    assert len(videos_of([path, tmp_path, path])) == 1


def test_a_file_that_is_named_is_taken_whatever_its_ending(tmp_path: Path) -> None:
    [path] = make(tmp_path, "recording")

    [found] = videos_of([path])

    assert (found.key, found.name) == ("recording", "recording")


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.mp4: no such file or folder"):
        videos_of([tmp_path / "nowhere.mp4"])


def test_a_folder_without_videos_is_said_with_what_counts_as_one(tmp_path: Path) -> None:
    make(tmp_path, "notes.txt")

    with pytest.raises(ConfigError, match=r"no videos in this folder \(\.mp4 "):
        videos_of([tmp_path])


def test_a_name_that_s3_would_not_take_is_refused() -> None:
    with pytest.raises(ConfigError, match="too long for S3"):
        VideoFile(path=Path("x"), key="ä" * 510 + ".mp4")
    with pytest.raises(ConfigError, match="no Unicode"):
        VideoFile(path=Path("x"), key="\udcff.mp4")


def test_a_file_that_no_stack_could_read_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "year.mp4"
    with path.open("wb") as file:
        file.truncate(10_000_000_001)  # sparse: it takes no room

    for most, mend in [(10_000, "cut it into pieces"), (5000, "deploy with a larger MaxVideoMb")]:
        with pytest.raises(ConfigError) as refused:
            check_sizes(videos_of([path]), most)
        said = str(refused.value)
        assert f"year.mp4: it has 10001 MB, and the stack takes {most} at most" in said
        assert said.endswith(mend)
        assert "\n" not in said


def test_a_file_as_large_as_the_largest_goes(tmp_path: Path) -> None:
    path = tmp_path / "lecture.mp4"
    with path.open("wb") as file:
        file.truncate(5_000_000_000)

    check_sizes(videos_of([path]), 5000)
