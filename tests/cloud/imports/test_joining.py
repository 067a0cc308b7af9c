"""Imported embeddings find their people."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from cloud.imports.joining import Joined, Joining
from cloud.imports.named_vectors import NamedVectors
from cloud.memory import MemoryRegister
from cloud.people import People
from cloud.people_table import PeopleTable
from cloud.register import Change, ConflictError
from sightline.errors import ConfigError
from tests.cloud.fakes import NOON, Clock, FakeEngine, a_face, a_person, vector

ONE, NEAR_ONE, TWO, THREE = (
    vector(1, 0, 0, 0),
    vector(0.8, 0.1, 0, 0),
    vector(0, 1, 0, 0),
    vector(0, 0, 1, 0),
)


@pytest.fixture
def register() -> MemoryRegister:
    return MemoryRegister()


@pytest.fixture
def people(register: MemoryRegister) -> People:
    return People(register, now=Clock().now)


def given(*pairs: tuple[str, "np.ndarray[tuple[int], np.dtype[np.float32]]"]) -> NamedVectors:
    names, vectors = zip(*pairs, strict=True)
    return NamedVectors(names=names, vectors=np.stack(vectors))


def join(people: People, what: NamedVectors, *, force: bool = False) -> list[Joined]:
    joining = Joining(
        people, FakeEngine(dimension=what.vectors.shape[1]), now=Clock().now, force=force
    )
    return list(joining.join(what))


def counts(joined: Sequence[Joined]) -> list[tuple[str | None, bool, int, int, int]]:
    return [(j.person_id, j.is_new, j.added, j.already, len(j.refused)) for j in joined]


def test_names_become_people_with_all_their_vectors(
    people: People, register: MemoryRegister
) -> None:
    joined = join(people, given(("ada_lovelace", ONE), ("Alan", TWO), ("Ada Lovelace", NEAR_ONE)))

    assert counts(joined) == [("ada-lovelace", True, 2, 0, 0), ("alan", True, 1, 0, 0)]
    ada = people.get("ada-lovelace")
    assert ada.person.name == "ada_lovelace"  # as the file spells it first
    assert [face.engine for face in ada.faces] == ["fake@1", "fake@1"]
    assert {face.embedding.tobytes() for face in ada.faces} == {ONE.tobytes(), NEAR_ONE.tobytes()}
    assert {face.person_id for face in ada.faces} == {"ada-lovelace"}
    assert all(face.added_at == NOON for face in ada.faces)
    assert register.version() == 2  # a change a person


def test_the_same_file_again_adds_nothing(people: People, register: MemoryRegister) -> None:
    file = given(("Ada", ONE), ("Ada", NEAR_ONE), ("Alan", TWO))
    join(people, file)
    before = register.version()

    joined = join(people, file)

    assert counts(joined) == [("ada", False, 0, 2, 0), ("alan", False, 0, 1, 0)]
    assert register.version() == before


def test_a_file_that_has_grown_adds_what_is_new(people: People) -> None:
    join(people, given(("Ada", ONE)))

    joined = join(people, given(("Ada", ONE), ("ADA", NEAR_ONE), ("Alan", TWO)))

    assert counts(joined) == [("ada", False, 1, 1, 0), ("alan", True, 1, 0, 0)]
    assert len(people.get("ada").faces) == 2


def test_a_vector_that_stands_twice_in_the_file_is_taken_once(people: People) -> None:
    joined = join(people, given(("Ada", ONE), ("Ada", ONE)))

    assert counts(joined) == [("ada", True, 1, 1, 0)]
    assert len(people.get("ada").faces) == 1


def test_whoever_is_there_already_keeps_record_and_name(people: People) -> None:
    people.add("Ada Lovelace", record={"major": "Mathematics"})

    [joined] = join(people, given(("ada lovelace", ONE)))

    entry = people.get("ada-lovelace")
    assert (joined.person_id, joined.is_new) == ("ada-lovelace", False)
    assert entry.person.name == "Ada Lovelace"
    assert entry.person.record == {"major": "Mathematics"}
    assert len(entry.faces) == 1


def test_a_vector_like_somebody_elses_is_refused_but_by_force(people: People) -> None:
    join(people, given(("Ada", ONE)))

    [refused] = join(people, given(("Eve", NEAR_ONE)))
    assert counts([refused]) == [(None, False, 0, 0, 1)]
    assert refused.refused[0].startswith("looks like ada, who is enrolled (distance 0.22")
    assert [entry.person.id for entry in people.all()] == ["ada"]

    [forced] = join(people, given(("Eve", NEAR_ONE)), force=True)
    assert counts([forced]) == [("eve", True, 1, 0, 0)]


def test_two_names_of_one_face_in_one_file_are_noticed(people: People) -> None:
    joined = join(people, given(("Ada", ONE), ("Eve", ONE), ("Eve", TWO)))

    assert counts(joined) == [("ada", True, 1, 0, 0), ("eve", True, 1, 0, 1)]


def test_faces_of_another_engine_are_not_compared(people: People, register: MemoryRegister) -> None:
    other = a_face("eve", "7", (1, 0, 0, 0), engine="other@1")
    change = Change(person_id="eve", expected=None, person=a_person("eve"), added=(other,))
    register.write(change)

    assert counts(join(people, given(("Ada", ONE)))) == [("ada", True, 1, 0, 0)]


def test_a_face_in_the_register_that_is_damaged_stops_nothing(
    people: People, register: MemoryRegister
) -> None:
    short = a_face("eve", "7", (1, 0))
    change = Change(person_id="eve", expected=None, person=a_person("eve"), added=(short,))
    register.write(change)

    assert counts(join(people, given(("Ada", ONE)))) == [("ada", True, 1, 0, 0)]


def test_namesakes_are_left_to_the_operator_and_the_others_taken(people: People) -> None:
    people.add("Ada")
    people.add("Ada")

    joined = join(people, given(("ADA", ONE), ("Alan", TWO)))

    assert counts(joined) == [(None, False, 0, 0, 1), ("alan", True, 1, 0, 0)]
    assert joined[0].refused == ("may be ada, ada-2; put the id into the file instead of the name",)


def test_an_id_stands_for_its_person(people: People) -> None:
    people.add("Ada")
    people.add("Ada")

    assert counts(join(people, given(("ada-2", ONE)))) == [("ada-2", False, 1, 0, 0)]


def test_somebody_new_never_catches_anothers_name(people: People) -> None:
    """李 A becomes the id a, and A is still somebody else."""
    joined = join(people, given(("李 A", ONE), ("A", TWO)))

    assert counts(joined) == [("a", True, 1, 0, 0), ("a-2", True, 1, 0, 0)]


def test_embeddings_of_another_dimension_are_refused_before_anything_is_written(
    people: People, register: MemoryRegister
) -> None:
    joining = Joining(people, FakeEngine(dimension=8), now=Clock().now)

    with pytest.raises(ConfigError, match="4 numbers, and fake@1's 8"):
        next(joining.join(given(("Ada", ONE))))
    assert register.version() == 0


class MeanwhileRegister(MemoryRegister):
    """Lets somebody else change the person once, just before the first write."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Change | None = None

    def write(self, change: Change) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            super().write(meanwhile)
        super().write(change)


def test_the_same_import_at_the_same_moment_adds_each_vector_once() -> None:
    register = MeanwhileRegister()
    people = People(register, now=Clock().now)
    ada = people.add("Ada").person
    assert ada is not None
    other = People(MemoryRegister(), now=Clock().now)
    join(other, given(("Ada", ONE)))
    [face] = other.get("ada").faces
    register.meanwhile = Change(
        person_id="ada", expected=1, person=replace(ada, revision=2), added=(face,)
    )

    joined = join(people, given(("Ada", ONE), ("Ada", NEAR_ONE)))

    assert counts(joined) == [("ada", False, 1, 1, 0)]
    assert len(people.get("ada").faces) == 2


def many(count: int, *, dimension: int = 128) -> NamedVectors:
    vectors = np.random.RandomState(3).standard_normal((count, dimension)).astype(np.float32)
    names = ("Grace Hopper",) * (count - 2) + ("Eileen Collins",) * 2
    return NamedVectors(names=names, vectors=vectors)


def test_hundreds_of_vectors_of_one_person_go_through_the_tables_transactions(
    people_table: PeopleTable,
) -> None:
    people = People(people_table, now=Clock().now)
    file = many(252)

    first, again = join(people, file), join(people, file)

    assert counts(first) == [("grace-hopper", True, 250, 0, 0), ("eileen-collins", True, 2, 0, 0)]
    assert counts(again) == [
        ("grace-hopper", False, 0, 250, 0),
        ("eileen-collins", False, 0, 2, 0),
    ]
    faces = people.get("grace-hopper").faces
    stored = {face.embedding.tobytes() for face in faces}
    assert stored == {row.tobytes() for row in file.vectors[:250]}
    # What was Eileen Collins's is Grace Hopper's in the longer file, and so refused.
    assert counts(join(people, many(352))) == [
        ("grace-hopper", False, 98, 250, 2),
        ("eileen-collins", False, 2, 0, 0),
    ]
    assert len({face.photo_sha256 for face in people.get("grace-hopper").faces}) == 348


def test_a_conflict_that_goes_on_is_said() -> None:
    class Contended(MemoryRegister):
        def write(self, change: Change) -> None:
            if change.expected is not None:
                raise ConflictError("somebody else")
            super().write(change)

    people = People(Contended(), now=Clock().now)
    people.add("Ada")

    with pytest.raises(ConflictError):
        join(people, given(("Ada", ONE)))
