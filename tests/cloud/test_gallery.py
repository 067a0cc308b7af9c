"""The gallery in memory: read when it has changed, and only then."""

import numpy as np
import pytest

from cloud.gallery import GalleryCache
from cloud.memory import MemoryRegister
from cloud.register import Change, EnrolledFace
from tests.cloud.fakes import a_face, a_person


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


def enrol(register: MemoryRegister, person_id: str, *faces: EnrolledFace) -> None:
    given = faces or (a_face(person_id),)
    register.write(
        Change(person_id=person_id, expected=None, person=a_person(person_id), added=given)
    )


def cache(register: MemoryRegister) -> GalleryCache:
    return GalleryCache(register, engine="fake@1", dimension=4)


def test_it_is_read_once_for_many_frames() -> None:
    register = Counting()
    enrol(register, "ada")
    gallery = cache(register)

    for _ in range(5):
        assert gallery.current().gallery.people == ("ada",)
    assert register.reads == 1


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
