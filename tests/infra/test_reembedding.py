"""Embedding the same photos anew, over a register in the process."""

import hashlib
from pathlib import Path

import pytest

from cloud.enrolment import Enrolment
from cloud.memory import MemoryRegister
from cloud.people import People
from cloud.photos import read_photos
from infra.reembedding import keep_photos, plan, warning
from sightline.errors import ConfigError
from tests.cloud.fakes import (
    GREEN,
    RED,
    Clock,
    Colour,
    FakeEngine,
    FakeRecognizer,
    picture,
    seen_face,
)

WHO_IS_IN = {RED: [seen_face(1, 0, 0, 0)], GREEN: [seen_face(0, 1, 0, 0)]}


@pytest.fixture
def register() -> MemoryRegister:
    return MemoryRegister()


def service(register: MemoryRegister, engine: str) -> People:
    clock = Clock()
    enrolment = Enrolment(
        recognizer=FakeRecognizer(WHO_IS_IN),
        engine=FakeEngine(id=engine),
        register=register,
        now=clock.now,
    )
    return People(register, now=clock.now, examiner=enrolment)


def photo(folder: Path, colour: Colour, name: str, width: int = 64) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(picture(colour, width=width))
    return path


def test_photos_are_found_by_content_wherever_they_lie(
    register: MemoryRegister, tmp_path: Path
) -> None:
    old, new = service(register, "old@1"), service(register, "new@1")
    first = photo(tmp_path / "a", RED, "1.png")
    second = photo(tmp_path / "a", RED, "2.png", width=80)
    other = photo(tmp_path / "a", GREEN, "3.png")
    old.add("Ada", read_photos([first, second]))
    old.add("Bob", read_photos([other]))
    moved = tmp_path / "b" / "deeper"
    moved.mkdir(parents=True)
    first.rename(moved / "renamed.jpg")
    digest = hashlib.sha256(other.read_bytes()).hexdigest()
    other.unlink()
    (moved / "notes.txt").write_text("not a photo")

    work = plan(old.all(), "new@1", tmp_path)

    assert work.files == {"ada": [second, moved / "renamed.jpg"]}
    assert (work.missing, work.complete, work.strangers) == ({"bob": [digest]}, (), 1)
    added = new.add_photos("ada", read_photos(list(work.files["ada"])), force=True)
    assert added.accepted == 2
    assert sorted(face.engine for face in new.get("ada").faces) == ["new@1"] * 2 + ["old@1"] * 2
    after = plan(old.all(), "new@1", tmp_path)
    assert (after.files, after.complete, after.strangers) == ({}, ("ada",), 1)


def test_enrolling_the_same_photo_again_is_the_other_way(
    register: MemoryRegister, tmp_path: Path
) -> None:
    given = photo(tmp_path, RED, "1.png")
    service(register, "old@1").add("Ada", read_photos([given]))
    new = service(register, "new@1")

    assert new.add_photos("ada", read_photos([given])).accepted == 1
    assert {face.engine for face in new.get("ada").faces} == {"old@1", "new@1"}


def test_who_cannot_be_recognised_is_said_with_both_ways_out(
    register: MemoryRegister, tmp_path: Path
) -> None:
    old = service(register, "old@1")
    old.add("Ada", read_photos([photo(tmp_path, RED, "1.png")]))
    old.put("Nobody's Photo", record={})

    assert warning(old.all(), "old@1") is None
    line = warning(old.all(), "new@1")
    assert line is not None
    assert line.startswith("ada has no embedding of new@1 and cannot be recognised")
    assert "people re-embed FOLDER" in line
    assert "people add NAME PHOTO" in line


def test_kept_photos_are_found_again_and_nobody_elses(
    register: MemoryRegister, tmp_path: Path
) -> None:
    given = photo(tmp_path / "given", RED, "1.PNG")
    old = service(register, "old@1")
    old.add("Ada", read_photos([given]))

    [kept] = keep_photos(tmp_path / "kept", "ada", [given])

    assert kept.parent == tmp_path / "kept" / "ada"
    assert kept.suffix == ".png"
    assert kept.stat().st_mode & 0o077 == 0
    assert plan(old.all(), "new@1", tmp_path / "kept").files == {"ada": [kept]}


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        plan([], "new@1", tmp_path / "none")
