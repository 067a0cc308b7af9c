"""What holds of every register, whether in the process or in DynamoDB."""

from dataclasses import replace

import numpy as np
import pytest

from cloud.memory import MemoryRegister
from cloud.register import Change, ConflictError, Register
from tests.cloud.fakes import a_face, a_person


@pytest.fixture(params=["memory", "dynamo"])
def register(request: pytest.FixtureRequest) -> Register:
    if request.param == "memory":
        return MemoryRegister()
    table: Register = request.getfixturevalue("people_table")
    return table


def enrol(register: Register, person_id: str, faces: int = 1) -> None:
    register.write(
        Change(
            person_id=person_id,
            expected=None,
            person=a_person(person_id),
            added=tuple(a_face(person_id, str(i)) for i in range(faces)),
        )
    )


def test_an_empty_register_has_version_0_and_nobody(register: Register) -> None:
    assert register.version() == 0
    assert register.people() == {}
    assert list(register.faces()) == []


def test_who_is_written_is_read_back_whole(register: Register) -> None:
    person = a_person(consent="form 12, 2026-11-01")
    face = a_face(embedding=(0.1, -2.5, 1e-7, 3))
    register.write(Change(person_id=person.id, expected=None, person=person, added=(face,)))

    assert register.people() == {person.id: person}
    [read] = register.faces()
    assert read == face
    assert read.embedding.dtype == np.float32
    np.testing.assert_array_equal(read.embedding, face.embedding)


def test_every_write_counts_the_version_up(register: Register) -> None:
    enrol(register, "ada-lovelace")
    first = register.version()
    enrol(register, "grace-hopper")

    assert 0 < first < register.version()


def test_people_are_read_by_id_and_strangers_left_out(register: Register) -> None:
    enrol(register, "ada-lovelace")
    enrol(register, "grace-hopper")

    assert set(register.people(["grace-hopper", "nobody"])) == {"grace-hopper"}
    assert register.people([]) == {}


def test_more_people_than_one_request_takes_are_read(register: Register) -> None:
    ids = [f"person-{i}" for i in range(130)]
    for person_id in ids:
        register.write(Change(person_id=person_id, expected=None, person=a_person(person_id)))

    assert sorted(register.people(ids)) == sorted(ids)
    assert sorted(register.people()) == sorted(ids)


def test_faces_are_read_of_one_person_or_of_all(register: Register) -> None:
    enrol(register, "ada-lovelace", faces=2)
    enrol(register, "grace-hopper")

    assert len(register.faces()) == 3
    assert [face.person_id for face in register.faces("grace-hopper")] == ["grace-hopper"]


def test_an_id_is_given_once(register: Register) -> None:
    enrol(register, "ada-lovelace")

    with pytest.raises(ConflictError):
        enrol(register, "ada-lovelace", faces=3)
    assert len(register.faces()) == 1
    assert register.version() == 1


def test_a_change_made_from_an_old_revision_is_refused_whole(register: Register) -> None:
    enrol(register, "ada-lovelace")
    person = replace(a_person(), record={"year": 2}, revision=2)
    register.write(Change(person_id=person.id, expected=1, person=person))

    late = replace(a_person(), record={"year": 3}, revision=2)
    with pytest.raises(ConflictError):
        register.write(
            Change(person_id=person.id, expected=1, person=late, added=(a_face(face_id="new"),))
        )
    with pytest.raises(ConflictError):
        register.write(Change(person_id=person.id, expected=1, person=None, removed=("0",)))
    assert register.people()[person.id].record == {"year": 2}
    assert [face.id for face in register.faces()] == ["0"]


def test_who_is_removed_is_gone_with_every_face(register: Register) -> None:
    enrol(register, "ada-lovelace", faces=2)
    enrol(register, "grace-hopper")
    before = register.version()
    register.write(Change(person_id="ada-lovelace", expected=1, person=None, removed=("0", "1")))

    assert set(register.people()) == {"grace-hopper"}
    assert {face.person_id for face in register.faces()} == {"grace-hopper"}
    assert register.version() > before


def test_more_faces_than_one_transaction_takes_come_and_go(register: Register) -> None:
    enrol(register, "ada-lovelace", faces=230)
    assert len(register.faces("ada-lovelace")) == 230
    revision = register.people()["ada-lovelace"].revision

    removed = tuple(str(i) for i in range(230))
    register.write(
        Change(person_id="ada-lovelace", expected=revision, person=None, removed=removed)
    )

    assert register.people() == {}
    assert list(register.faces()) == []
