"""Photos from files and folders."""

from pathlib import Path

import pytest

from cloud.photos import folders_in, images_in, read_photos
from sightline.errors import ConfigError


def test_a_folder_stands_for_its_images_by_name(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "notes.txt", ".hidden.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "c.jpg").mkdir()
    other = tmp_path / "notes.txt"

    photos = list(read_photos([tmp_path, other]))

    assert [photo.data for photo in photos] == [b"a.png", b"b.JPG", b"notes.txt"]
    assert photos[0].name == str(tmp_path / "a.png")


def test_folders_below_are_looked_into_if_asked(tmp_path: Path) -> None:
    for name in ("1.jpg", "2025/2.jpg", "2025/may/3.png", ".thumbs/4.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "2025" / "round").symlink_to(tmp_path)  # without end, if it were followed

    assert images_in(tmp_path) == [tmp_path / "1.jpg"]
    assert images_in(tmp_path, below=True) == [
        tmp_path / name for name in ("1.jpg", "2025/2.jpg", "2025/may/3.png")
    ]


def test_a_folder_of_no_images_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()

    with pytest.raises(ConfigError, match=str(tmp_path)):
        images_in(tmp_path)


def test_a_file_that_is_not_there_is_named_before_any_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()

    with pytest.raises(ConfigError, match="nowhere"):
        read_photos([tmp_path / "a.jpg", tmp_path / "nowhere.jpg"])


def test_a_file_far_too_large_is_read_only_so_far_that_it_can_be_refused(tmp_path: Path) -> None:
    huge = tmp_path / "a.jpg"
    with huge.open("wb") as file:
        file.truncate(3_000_000_000)

    [photo] = read_photos([huge])

    assert len(photo.data) == 20_000_001


def test_a_folder_for_each_person(tmp_path: Path) -> None:
    for name in ("grace", "ada", ".git"):
        (tmp_path / name).mkdir()
    (tmp_path / "a.jpg").touch()

    assert [folder.name for folder in folders_in(tmp_path)] == ["ada", "grace"]
    with pytest.raises(ConfigError, match="no folders"):
        folders_in(tmp_path / "ada")
    with pytest.raises(ConfigError, match="cannot look into"):
        folders_in(tmp_path / "nowhere")
