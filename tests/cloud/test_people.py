"""People, over a register in the process and a stood-in network."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.enrolment import Enrolment, Photo
from cloud.memory import MemoryRegister
from cloud.names import free_ids, likeness, slug
from cloud.people import Addition, People
from cloud.records import NamedRecord
from cloud.register import Change, ConflictError, EnrolledPerson, check_person_id
from sightline.errors import ConfigError
from tests.cloud.fakes import (
    BLUE,
    GREEN,
    GREY,
    NOON,
    RED,
    WHITE,
    Clock,
    Colour,
    FakeEngine,
    FakeRecognizer,
    picture,
    seen_face,
)

YELLOW: Colour = (255, 255, 0)
PINK: Colour = (255, 0, 255)

WHO_IS_IN = {
    RED: [seen_face(1, 0, 0, 0)],
    YELLOW: [seen_face(0.9, 0, 0, 0), seen_face(verdict="too_small", side_px=12)],  # as RED
    GREEN: [seen_face(0, 1, 0, 0)],
    BLUE: [seen_face(1, 0, 0, 0), seen_face(0, 1, 0, 0)],
    GREY: [seen_face(verdict="blurred")],
    PINK: [seen_face(verdict="too_small", side_px=23)],
}


@pytest.fixture
def register() -> MemoryRegister:
    return MemoryRegister()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def people(register: MemoryRegister, clock: Clock) -> People:
    return a_service(register, clock)


def a_service(register: MemoryRegister, clock: Clock) -> People:
    enrolment = Enrolment(
        recognizer=FakeRecognizer(WHO_IS_IN),
        engine=FakeEngine(),
        register=register,
        now=clock.now,
    )
    return People(register, now=clock.now, examiner=enrolment)


def photo(colour: Colour, name: str = "a.png", *, width: int = 64) -> Photo:
    return Photo(name=name, data=picture(colour, width=width))


def person_of(addition: Addition) -> EnrolledPerson:
    assert addition.person is not None
    return addition.person


def reasons(addition: Addition) -> list[str | None]:
    return [outcome.reason for outcome in addition.outcomes]


def test_who_is_added_can_be_looked_up(people: People, register: MemoryRegister) -> None:
    added = people.add(
        "  Ada   Lovelace ", [photo(RED)], record={"major": "Mathematics"}, consent="form 12"
    )

    entry = people.get("ada-lovelace")
    assert entry.person == added.person
    assert entry.person.name == "Ada Lovelace"
    assert entry.person.record == {"major": "Mathematics"}
    assert entry.person.consent == "form 12"
    assert (entry.person.created_at, entry.person.updated_at) == (NOON, NOON)
    [face] = entry.faces
    assert (face.engine, face.side_px, face.sharpness) == ("fake@1", 90, 250)
    assert register.version() == 1


def test_every_photo_has_an_outcome_and_the_good_ones_are_taken(people: People) -> None:
    addition = people.add(
        "Ada",
        [
            photo(WHITE, "none.png"),
            photo(RED, "good.png"),
            photo(BLUE, "two.png"),
            photo(PINK, "small.png"),
            photo(GREY, "blurred.png"),
            Photo(name="text.jpg", data=b"hello"),
            photo(RED, "again.png"),
            photo(YELLOW, "bystander.png"),
            Photo(name="huge.jpg", data=bytes(20_000_001)),
        ],
    )

    assert reasons(addition) == [
        "no_face",
        None,
        "several_faces",
        "too_small",
        "blurred",
        "not_an_image",
        "already_enrolled",
        None,
        "too_large",
    ]
    assert [outcome.photo for outcome in addition.outcomes][1] == "good.png"
    assert all(outcome.detail for outcome in addition.outcomes if not outcome.accepted)
    assert "23 px" in addition.outcomes[3].detail
    assert addition.accepted == 2
    assert len(people.get("ada").faces) == 2


def test_if_every_photo_is_refused_nobody_is_enrolled(
    people: People, register: MemoryRegister
) -> None:
    addition = people.add("Ada", [photo(WHITE), photo(GREY)])

    assert addition.person is None
    assert register.version() == 0


def test_somebody_can_be_added_with_a_record_alone(people: People) -> None:
    assert person_of(people.add("Ada")).id == "ada"
    assert people.get("ada").faces == ()


def test_a_photo_like_somebody_else_is_refused_and_names_them(people: People) -> None:
    people.add("Ada", [photo(RED)])

    addition = people.add("Eve", [photo(YELLOW)])

    assert addition.person is None
    assert reasons(addition) == ["like_another"]
    assert "ada" in addition.outcomes[0].detail


def test_a_photo_like_somebody_else_can_be_forced(people: People) -> None:
    people.add("Ada", [photo(RED)])

    assert people.add("Twin", [photo(YELLOW)], force=True).accepted == 1


def test_the_same_photo_is_enrolled_once(people: People) -> None:
    people.add("Ada", [photo(RED)])

    addition = people.add_photos("ada", [photo(RED), photo(RED, width=65)])

    assert reasons(addition) == ["already_enrolled", None]
    assert len(people.get("ada").faces) == 2


def test_photos_are_added_to_somebody(people: People, clock: Clock) -> None:
    people.add("Ada")
    clock.at += timedelta(hours=1)

    added = person_of(people.add_photos("ada", [photo(RED), photo(WHITE)]))

    assert added.updated_at == clock.at
    assert added.created_at == NOON
    assert len(people.get("ada").faces) == 1


def test_photos_of_nobody_are_refused_with_the_nearest_id(people: People) -> None:
    people.add("Ada Lovelace")

    with pytest.raises(ConfigError, match="did you mean ada-lovelace"):
        people.add_photos("ada-lovelac", [photo(RED)])
    with pytest.raises(ConfigError, match="people list"):
        people.get("zzzz")


def test_namesakes_get_ids_of_their_own(people: People) -> None:
    ids = [person_of(people.add("Ada Lovelace")).id for _ in range(3)]

    assert ids == ["ada-lovelace", "ada-lovelace-2", "ada-lovelace-3"]
    assert [person.id for person in people.find("ADA  lovelace")] == ids
    assert [person.id for person in people.find("ada-lovelace-2")] == ["ada-lovelace-2"]


def test_names_of_any_script_are_told_apart(people: People) -> None:
    people.add("李小龍")
    people.add("王小明")

    [found] = people.find("李小龍")
    assert (found.id, found.name) == ("person", "李小龍")
    assert people.find("王小明")[0].id == "person-2"


def test_who_is_removed_is_gone_and_the_gallery_has_changed(
    people: People, register: MemoryRegister
) -> None:
    people.add("Ada", [photo(RED)])
    people.add("Grace", [photo(GREEN)])
    before = register.version()

    removed = people.remove("ada")

    assert len(removed.faces) == 1
    assert [entry.person.id for entry in people.all()] == ["grace"]
    assert {face.person_id for face in register.faces()} == {"grace"}
    assert register.version() > before
    with pytest.raises(ConfigError):
        people.remove("ada")


def test_a_record_is_replaced(people: People) -> None:
    people.add("Ada", [photo(RED)], record={"year": 1})

    people.change("ada", record={"year": 2})

    assert people.get("ada").person.record == {"year": 2}
    assert len(people.get("ada").faces) == 1


def test_putting_the_same_twice_changes_nothing(people: People, register: MemoryRegister) -> None:
    assert people.put("Ada Lovelace", record={"year": 1})[1]
    version = register.version()

    person, is_new = people.put("Ada Lovelace", record={"year": 1})
    assert (person.id, is_new, register.version()) == ("ada-lovelace", False, version)
    person, is_new = people.put("ada lovelace", record={"year": 2})
    assert (person.record, is_new) == ({"year": 2}, False)


class Reads(MemoryRegister):
    """Counts what is read and written."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = self.writes = 0

    def people(self, ids: Collection[str] | None = None) -> Mapping[str, EnrolledPerson]:
        self.reads += 1
        return super().people(ids)

    def write(self, change: Change) -> None:
        self.writes += 1
        super().write(change)


def test_a_table_is_imported_in_one_pass(clock: Clock) -> None:
    register = Reads()
    people = People(register, now=clock.now)
    table = [
        NamedRecord(person_id=None, name=f"Student {number}", record={"year": 1})
        for number in range(50)
    ]

    assert [is_new for _, is_new in people.put_all(table)] == [True] * 50
    assert (register.reads, register.writes) == (1, 50)
    table[7] = NamedRecord(person_id=None, name="STUDENT 7", record={"year": 2})
    put = list(people.put_all(table))

    assert not any(is_new for _, is_new in put)
    assert put[7][0] == people.get("student-7").person
    assert (put[7][0].name, put[7][0].record) == ("STUDENT 7", {"year": 2})
    assert register.writes == 51


def test_a_record_finds_whom_another_of_the_same_table_made(people: People) -> None:
    table = [
        NamedRecord(person_id="s-1", name="Ada Lovelace", record={"year": 1}),
        NamedRecord(person_id=None, name="ada lovelace", record={"year": 2}),
        NamedRecord(person_id="s-1", name="Ada King", record={"year": 3}),
        NamedRecord(person_id=None, name="Ada Lovelace", record={}),
    ]

    put = [(person.id, is_new) for person, is_new in people.put_all(table)]

    assert put == [("s-1", True), ("s-1", False), ("s-1", False), ("ada-lovelace", True)]


def test_putting_under_an_id_makes_or_finds_that_person(people: People) -> None:
    assert people.put("Ada", person_id="s-1001", record={}) == (
        people.get("s-1001").person,
        True,
    )
    person, is_new = people.put("Ada L.", person_id="s-1001", record={"year": 2})
    assert (person.name, is_new) == ("Ada L.", False)


def test_putting_under_an_ambiguous_name_asks_for_an_id(people: People) -> None:
    people.add("Ada")
    people.add("Ada")

    with pytest.raises(ConfigError, match="ada, ada-2"):
        people.put("Ada", record={})


@pytest.mark.parametrize(
    "record",
    [
        {"text": "x" * 4096},
        {"number": float("nan")},
        {"half": "\ud800"},
        {"object": object()},
        [1],
        "text",
        {"deep": [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]},
    ],
)
def test_a_record_that_cannot_travel_is_refused(people: People, record: object) -> None:
    with pytest.raises(ConfigError, match="record"):
        people.add("Ada", record=record)  # type: ignore[arg-type]
    assert people.all() == ()


def test_a_record_nested_beyond_all_reason_is_refused(people: People) -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ConfigError, match="nested"):
        people.add("Ada", record={"deep": deep})
    while deep:  # taken apart by hand: freeing it whole would go as deep
        [deep] = deep  # type: ignore[assignment]


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\x00b"])
def test_a_name_that_cannot_be_shown_is_refused(people: People, name: str) -> None:
    with pytest.raises(ConfigError, match="name"):
        people.add(name)


def test_photos_without_an_engine_say_so(register: MemoryRegister, clock: Clock) -> None:
    with pytest.raises(ConfigError, match="engine"):
        People(register, now=clock.now).add("Ada", [photo(RED)])


class Interrupted(MemoryRegister):
    """Somebody else changes the person just before our first write."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def write(self, change: Change) -> None:
        if self.times and change.expected is not None:
            self.times -= 1
            person = self.people()[change.person_id]
            other = replace(person, consent=f"form {self.times}", revision=person.revision + 1)
            super().write(Change(person_id=person.id, expected=person.revision, person=other))
        super().write(change)


def test_two_changes_at_once_do_not_mix(clock: Clock) -> None:
    register = Interrupted(times=3)
    people = a_service(register, clock)
    people.add("Ada")

    people.change("ada", record={"year": 2})

    person = people.get("ada").person
    assert (person.record, person.consent) == ({"year": 2}, "form 0")


def test_a_change_that_others_always_get_in_the_way_of_is_given_up(clock: Clock) -> None:
    people = a_service(Interrupted(times=99), clock)
    people.add("Ada")

    with pytest.raises(ConflictError):
        people.change("ada", record={"year": 2})


def test_photos_are_read_one_at_a_time(people: People) -> None:
    given: list[int] = []

    def one_by_one() -> Iterable[Photo]:
        for number in range(3):
            given.append(number)
            yield photo(RED, width=64 + number)

    assert people.add("Ada", one_by_one()).accepted == 3
    assert given == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Ada Lovelace", "ada-lovelace"),
        ("  Grace O'Hopper, Jr. ", "grace-ohopper-jr"),
        ("José Núñez", "jose-nunez"),
        ("Søren Kierkegård", "soren-kierkegard"),
        ("Łukasz Straße", "lukasz-strasse"),
        ("mr_bean", "mr-bean"),
        ("李小龍", ""),
    ],
)
def test_slugs_are_readable(name: str, expected: str) -> None:
    assert slug(name) == expected


@given(st.text())
def test_any_name_gives_valid_ids(name: str) -> None:
    ids = free_ids(name)
    assert [check_person_id(next(ids)) for _ in range(3)]


@given(st.text())
def test_likeness_is_blind_to_case(name: str) -> None:
    assert likeness(likeness(name)) == likeness(name)


def test_consent_can_be_noted_later(people: People, register: MemoryRegister) -> None:
    people.add("Ada", record={"year": 1})

    people.change("ada", consent="folder 7, page 2")

    assert people.get("ada").person.consent == "folder 7, page 2"
    assert people.get("ada").person.record == {"year": 1}
    with pytest.raises(ConfigError, match="nobody has the id"):
        people.change("bob", consent="folder 8")
