"""The gallery in memory: read when it has changed, and only then."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from cloud.gallery import GalleryCache
from cloud.memory import MemoryRegister
from cloud.register import Change, EnrolledFace
from tests.cloud.fakes import NOON, a_face, a_person, vector


class Counting(MemoryRegister):
    """Counts how often all faces are read; may change meanwhile."""

    def __init__(self, changes: int = 0) -> None:
        super().__init__()
        self.reads = 0
        self.changes = changes

    def faces(self, person_id: str | None = None) -> list[EnrolledFace]:
        self.reads += 1
        faces = list(super().faces(person_id))
        if self.changes:
            self.changes -= 1
            enrol(self, f"late-{self.changes}")
        return faces


class Asked(MemoryRegister):
    """Remembers whose faces were asked for; None is everybody."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str | None] = []

    def faces(self, person_id: str | None = None) -> Sequence[EnrolledFace]:
        self.asked.append(person_id)
        return super().faces(person_id)


def enrol(register: MemoryRegister, person_id: str, *faces: EnrolledFace) -> None:
    given = faces or (a_face(person_id),)
    register.write(
        Change(person_id=person_id, expected=None, person=a_person(person_id), added=given)
    )


def cache(register: MemoryRegister, file: Path | None = None) -> GalleryCache:
    return GalleryCache(register, engine="fake@1", dimension=4, file=file)


def test_it_is_read_once_for_many_frames() -> None:
    register = Counting()
    enrol(register, "ada")
    gallery = cache(register)

    for _ in range(5):
        assert gallery.current().gallery.people == ("ada",)
    assert register.reads == 1


def test_where_nobody_waits_it_is_asked_for_now_and_then() -> None:
    register, at_s = Counting(), [100.0]
    gallery = GalleryCache(
        register, engine="fake@1", dimension=4, fresh_for_s=2, clock=lambda: at_s[0]
    )
    assert gallery.current().gallery.people == ()
    enrol(register, "ada")

    at_s[0] += 1.9
    assert gallery.current().gallery.people == ()
    at_s[0] += 0.1
    assert gallery.current().gallery.people == ("ada",)


def test_it_is_read_again_when_its_version_has_changed() -> None:
    register = Counting()
    gallery = cache(register)
    assert gallery.current().gallery.people == ()

    enrol(register, "ada")

    current = gallery.current()
    assert (current.gallery.version, current.gallery.people) == (1, ("ada",))
    assert current.people["ada"].name == "Ada Lovelace"


def test_a_change_during_the_read_is_read_too() -> None:
    register = Counting(changes=1)
    enrol(register, "ada")

    current = cache(register).current()

    assert set(current.gallery.people) == {"ada", "late-0"}
    assert current.gallery.version == 2


def test_a_register_that_never_rests_is_read_again_with_the_next_frame() -> None:
    register = Counting(changes=3)
    enrol(register, "ada")
    gallery = cache(register)

    first = gallery.current()
    second = gallery.current()

    assert "ada" in first.gallery.people
    assert first.gallery.version < second.gallery.version == register.version()
    assert len(second.gallery.people) == 4


def test_faces_of_another_engine_are_left_out_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    register = MemoryRegister()
    old = tuple(a_face("ada", str(i), engine="older@1") for i in range(3))
    enrol(register, "ada", *old, a_face("ada", "new"))
    gallery = cache(register)

    assert len(gallery.current().gallery) == 1
    enrol(register, "grace")
    assert len(gallery.current().gallery) == 2
    assert caplog.text.count("older@1") == 1


@pytest.mark.parametrize("embedding", [(1, 0), (float("nan"), 0, 0, 0), (np.inf, 0, 0, 0)])
def test_a_damaged_face_is_left_out(
    embedding: tuple[float, ...], caplog: pytest.LogCaptureFixture
) -> None:
    register = MemoryRegister()
    enrol(register, "ada", a_face("ada", "good"), a_face("ada", "bad", embedding))

    assert len(cache(register).current().gallery) == 1
    assert "face bad of ada" in caplog.text


def test_a_face_without_its_person_is_left_out() -> None:
    register = MemoryRegister()
    enrol(register, "ada", a_face("ada"), a_face("ghost"))

    assert cache(register).current().gallery.people == ("ada",)


def test_only_the_faces_of_who_has_changed_are_read() -> None:
    register = Asked()
    for name in ("ada", "bob", "eve"):
        enrol(register, name)
    gallery = cache(register)
    gallery.current()
    register.asked.clear()

    enrol(register, "grace", a_face("grace", embedding=(0, 1, 0, 0)))
    added = gallery.current()
    register.write(
        Change(person_id="bob", expected=1, person=None, removed=("1",)),
    )
    removed = gallery.current()

    assert register.asked == ["grace"]
    assert added.gallery.people == ("ada", "bob", "eve", "grace")
    assert removed.gallery.people == ("ada", "eve", "grace")
    assert set(removed.people) == {"ada", "eve", "grace"}
    assert removed.gallery.version == register.version()


def test_a_photo_more_of_somebody_is_read() -> None:
    register = MemoryRegister()
    enrol(register, "ada")
    gallery = cache(register)
    gallery.current()

    register.write(
        Change(
            person_id="ada",
            expected=1,
            person=a_person("ada", revision=2),
            added=(a_face("ada", "2", (0, 0, 1, 0)),),
        )
    )

    assert len(gallery.current().gallery) == 2


def test_somebody_who_left_and_came_back_is_read_again() -> None:
    register = MemoryRegister()
    enrol(register, "ada")
    gallery = cache(register)
    gallery.current()

    register.write(Change(person_id="ada", expected=1, person=None, removed=("1",)))
    later = a_person("ada", created_at=NOON + timedelta(days=1))
    back = a_face("ada", "9", (0, 0, 1, 0))
    register.write(Change(person_id="ada", expected=None, person=later, added=(back,)))

    [nearest] = gallery.current().gallery.nearest(vector(0, 0, 1, 0)[np.newaxis])
    assert nearest is not None
    assert nearest.distance == 0


def test_many_changes_at_once_are_read_at_once() -> None:
    register = Asked()
    gallery = cache(register)
    gallery.current()
    for number in range(60):
        enrol(register, f"p{number}")
    register.asked.clear()

    assert len(gallery.current().gallery) == 60
    assert register.asked == [None]


def test_the_next_process_reads_only_what_has_changed_since(tmp_path: Path) -> None:
    register = Asked()
    for name in ("ada", "bob", "eve"):
        enrol(register, name)
    kept = tmp_path / "gallery"
    first = cache(register, kept).current()
    enrol(register, "grace")
    register.write(Change(person_id="eve", expected=1, person=None, removed=("1",)))
    register.asked.clear()

    second = cache(register, kept).current()

    assert register.asked == ["grace"]
    assert first.gallery.people == ("ada", "bob", "eve")
    assert second.gallery.people == ("ada", "bob", "grace")


@pytest.mark.parametrize("kept", [b"", b"SLGALLRY", None])
def test_a_damaged_file_is_made_anew_from_the_tables(
    kept: bytes | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    register = Asked()
    enrol(register, "ada")
    file = tmp_path / "gallery"
    cache(register, file).current()
    file.write_bytes(file.read_bytes()[:-1] if kept is None else kept)
    register.asked.clear()

    assert cache(register, file).current().gallery.people == ("ada",)
    assert register.asked == [None]
    assert "read from the tables again" in caplog.text
    cache(register, file).current()
    assert register.asked == [None]  # the new one is whole


def test_without_room_for_the_file_the_gallery_is_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    register = MemoryRegister()
    enrol(register, "ada")

    current = cache(register, tmp_path / "missing" / "gallery").current()

    assert current.gallery.people == ("ada",)
    assert "kept in memory alone" in caplog.text


def test_after_many_changes_it_is_put_together_again(tmp_path: Path) -> None:
    register = MemoryRegister()
    for number in range(8):
        enrol(register, f"p{number}")
    gallery = cache(register, tmp_path / "gallery")
    gallery.current()

    for number in range(5):
        register.write(Change(person_id=f"p{number}", expected=1, person=None, removed=("1",)))

    current = gallery.current().gallery
    assert current.gone == set()
    assert current.people == ("p5", "p6", "p7")
    assert cache(register, tmp_path / "gallery").current().gallery.people == ("p5", "p6", "p7")


def test_who_is_gone_is_not_left_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "gallery"
    register = MemoryRegister()
    for number in range(8):
        enrol(register, f"p{number}")
    gallery = cache(register, file)
    gallery.current()
    assert file.exists()

    register.write(Change(person_id="p0", expected=1, person=None, removed=("1",)))

    assert "p0" not in gallery.current().gallery.people
    assert not file.exists()
    assert "p0" not in cache(register, file).current().gallery.people
    assert file.exists()
