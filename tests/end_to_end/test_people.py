"""People come, change and go, and the next frame knows."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from PIL import ImageFilter

from cloud.people import People
from cloud.people_table import PeopleTable, TableNames
from cloud.register import Change, ConflictError
from infra.cli import main
from infra.enrolling import open_people
from infra.local.stack import LocalStack
from infra.target import Target
from sightline.messages import Face
from tests.end_to_end import pictures
from tests.end_to_end.actors import Finished, one_line, run_command

pytestmark = pytest.mark.stack

EILEEN = "Eileen Collins"

Command = Callable[..., Finished]


@pytest.fixture
def people(
    stack: LocalStack, target: Target, grace: str, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """Run `people …`; whoever a test enrols, Grace Hopper apart, is forgotten at its end."""

    def run(*words: str | Path) -> Finished:
        capsys.readouterr()
        status = main(["--state", str(stack.settings.state), "people", *map(str, words)])
        said = capsys.readouterr()
        return Finished(status=status, out=said.out, err=said.err)

    yield run
    register = open_people(target)
    for entry in register.all():
        if entry.person.id != grace:
            register.remove(entry.person.id)


@pytest.fixture
def service(target: Target) -> People:
    """The same service without the command line."""
    return open_people(target)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photo of Eileen Collins."""
    path = tmp_path / "eileen.jpg"
    path.write_bytes(pictures.jpeg(pictures.eileen()))
    return path


def names(faces: list[Face]) -> list[str]:
    """Who is named, from left to right; else the decision."""
    ordered = sorted(faces, key=lambda face: face.box[0])
    return [face.person.name if face.person else face.decision for face in ordered]


def version(target: Target) -> int:
    """The gallery's version, as it stands in the table."""
    row = target.client("dynamodb").get_item(
        TableName=target.output("MetaTable"), Key={"name": {"S": "gallery"}}, ConsistentRead=True
    )
    return int(row["Item"]["version"]["N"])


def entries(done: Finished) -> dict[str, dict[str, Any]]:
    """What `people list --json` printed, by id."""
    assert done.status == 0, done.err
    [listed] = done.json
    return {entry["id"]: entry for entry in listed}


@pytest.mark.usefixtures("people")
def test_the_next_frame_knows_who_was_added_changed_and_removed(
    stack: LocalStack, see: Callable[..., list[Face]], photo: Path
) -> None:
    def people(*words: str | Path) -> Finished:
        return run_command(stack.settings.state, "people", *words)

    scene = pictures.both()
    assert names(see(scene)) == ["Grace Hopper", "unknown"]

    added = people("add", EILEEN, photo, "--record", '{"craft": "Discovery"}')
    assert added.status == 0, added.err
    assert one_line(added.err) == "Eileen Collins: 1 of 1 photos enrolled as eileen-collins"
    faces = see(scene)
    assert names(faces) == ["Grace Hopper", EILEEN]
    [record] = [face.person.record for face in faces if face.person and face.person.name == EILEEN]
    assert record == {"craft": "Discovery"}
    # There is somebody else now, so how much farther they are is said.
    assert all(face.margin is not None and face.margin > 0.1 for face in faces)

    file = photo.with_name("records.json")
    file.write_text(json.dumps([{"name": EILEEN, "craft": "Atlantis", "flights": [1, 2]}]))
    assert people("import", file).status == 0
    [record] = [face.person.record for face in see(scene) if face.person and "Atl" in str(face)]
    assert record == {"craft": "Atlantis", "flights": [1, 2]}

    removed = people("remove", "eileen-collins", "--yes")
    assert removed.status == 0, removed.err
    assert names(see(scene)) == ["Grace Hopper", "unknown"]


def test_of_somebody_removed_nothing_is_left(
    people: Command, target: Target, photo: Path, grace: str
) -> None:
    people("add", EILEEN, photo)
    assert people("remove", "eileen-collins", "--yes").status == 0

    dynamo = target.client("dynamodb")
    for table in ("PeopleTable", "FacesTable"):
        rows = dynamo.scan(TableName=target.output(table), ConsistentRead=True)["Items"]
        assert {row["person_id"]["S"] for row in rows} == {grace}
    gone = people("show", "eileen-collins")
    assert gone.status == 2
    assert "nobody has the id 'eileen-collins'" in one_line(gone.err)


def test_photos_that_will_not_do_are_refused_with_why_and_the_others_taken(
    people: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    far = pictures.nobody()
    far.paste(pictures.eileen().resize((150, 150)), (200, 200))
    shown = {
        "1-nobody.jpg": pictures.jpeg(pictures.nobody()),
        "2-two.jpg": pictures.jpeg(pictures.both()),
        "3-far.jpg": pictures.jpeg(far),
        "4-soft.jpg": pictures.jpeg(pictures.eileen().filter(ImageFilter.GaussianBlur(6))),
        "5-text.jpg": b"no picture at all",
        "6-somebody-else.jpg": pictures.jpeg(pictures.grace()),
        "7-good.jpg": pictures.jpeg(pictures.eileen()),
        "8-good-again.jpg": pictures.jpeg(pictures.eileen()),
    }
    for name, data in shown.items():
        (folder / name).write_bytes(data)

    done = people("add", EILEEN, folder, "--json")

    assert done.status == 0, done.err
    [report] = done.json
    assert report["id"] == "eileen-collins"
    why = {Path(each["photo"]).name: each["reason"] for each in report["photos"]}
    assert why == {
        "1-nobody.jpg": "no_face",
        "2-two.jpg": "several_faces",
        "3-far.jpg": "too_small",
        "4-soft.jpg": "blurred",
        "5-text.jpg": "not_an_image",
        "6-somebody-else.jpg": "like_another",
        "7-good.jpg": None,
        "8-good-again.jpg": "already_enrolled",
    }
    assert all(each["detail"] for each in report["photos"] if not each["accepted"])
    # The same for a person to read.
    again = people("add", EILEEN, folder)
    lines = again.err.splitlines()
    assert len([line for line in lines if line.startswith("refused  ")]) == 8
    assert again.status == 1


def test_where_every_photo_is_refused_nobody_is_enrolled(people: Command, tmp_path: Path) -> None:
    photo = tmp_path / "wall.jpg"
    photo.write_bytes(pictures.jpeg(pictures.nobody()))

    done = people("add", EILEEN, photo)

    assert done.status == 1
    assert "no face was found" in done.err
    assert "Eileen Collins is not enrolled" in done.err
    assert "eileen-collins" not in entries(people("list", "--json"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", EILEEN, "<folder>"), "<folder> holds no images"),
        (("add", EILEEN, "<folder>/none.jpg"), "<folder>/none.jpg"),
        (("add", EILEEN, "<photo>", "--record", "{year: 2}"), "the record '{year: 2}' is not JSON"),
        (("add", EILEEN, "<photo>", "--record", "[1]"), "is a JSON object, such as"),
        (("add", " ", "<photo>"), "is no name"),
        (("add-folder", "<folder>"), "<folder> holds no folders"),
        (("add-folder", "<folder>/none"), "<folder>/none: No such file"),
        (("import", "<photo>"), "<photo> is no text in UTF-8"),
        (("import", "<folder>"), "<folder> cannot be read"),
        (("show", "nobody"), "nobody has the id 'nobody'"),
        (("remove", "grace-hoper", "--yes"), "did you mean grace-hopper?"),
    ],
)
def test_what_the_operator_can_mend_is_said_in_one_line(
    people: Command, target: Target, tmp_path: Path, photo: Path, words: tuple[str, ...], said: str
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    before = version(target)

    def fill(text: str) -> str:
        return text.replace("<folder>", str(folder)).replace("<photo>", str(photo))

    done = people(*map(fill, words))

    assert done.status == 2
    assert fill(said) in one_line(done.err)
    assert not done.out
    assert version(target) == before


def test_a_folder_a_person_is_enrolled_with_the_record_beside_it(
    people: Command, tmp_path: Path, photo: Path
) -> None:
    folder = tmp_path / "class"
    good, wrong = folder / "eileen-collins", folder / "jean-jennings"
    for each in (good, wrong):
        each.mkdir(parents=True)
    (good / "2025").mkdir()
    (good / "2025" / "1.jpg").write_bytes(photo.read_bytes())
    (folder / "loose.jpg").write_bytes(photo.read_bytes())
    (good / "record.json").write_text('{"major": "Mathematics"}')
    (wrong / "1.jpg").write_bytes(pictures.jpeg(pictures.nobody()))

    done = people("add-folder", folder)

    assert done.status == 1  # not all of them
    assert "Eileen Collins: 1 of 1 photos enrolled as eileen-collins" in done.err
    assert "Jean Jennings is not enrolled" in done.err
    assert "1 of 2 could not be enrolled" in done.err
    assert f"left out  loose.jpg in {folder}" in done.err
    assert "" not in done.err.splitlines()  # nothing of a bar that nobody watches
    listed = entries(people("list", "--json"))
    assert listed["eileen-collins"]["record"] == {"major": "Mathematics"}
    assert listed["eileen-collins"]["name"] == EILEEN
    assert "jean-jennings" not in listed


STUDENTS = {
    "a list with names": (
        [{"name": "Ada Lovelace", "major": "Maths"}, {"name": "Alan Turing", "year": 3}],
        "told apart by the field 'name'",
        {"ada-lovelace": {"major": "Maths"}, "alan-turing": {"year": 3}},
    ),
    "a list with ids": (
        [{"id": "s-1", "major": "Maths"}, {"id": "s-2", "major": "Logic"}],
        "told apart by the field 'id'",
        {"s-1": {"major": "Maths"}, "s-2": {"major": "Logic"}},
    ),
    "a mapping": (
        {"321654": {"name": "Ada Lovelace", "major": "Maths"}, "852741": {"name": "Alan Turing"}},
        "told apart by the mapping's keys",
        {"321654": {"major": "Maths"}, "852741": {}},
    ),
}


@pytest.mark.parametrize(("content", "said", "records"), STUDENTS.values(), ids=STUDENTS)
def test_student_data_is_imported_and_twice_does_no_harm(
    people: Command, tmp_path: Path, content: object, said: str, records: dict[str, Any]
) -> None:
    file = tmp_path / "student_data.json"
    file.write_text(json.dumps(content))

    done, again = people("import", file, "--json"), people("import", file)

    assert done.status == again.status == 0, done.err
    assert said in done.err
    assert "2 people new, 0 brought up to date" in done.err
    assert "0 people new, 2 brought up to date" in again.err
    assert "" not in done.err.splitlines()
    assert {each["id"]: each["new"] for each in done.json} == dict.fromkeys(records, True)
    listed = entries(people("list", "--json"))
    assert {id_: listed[id_]["record"] for id_ in records} == records


def test_json_and_tables_say_the_same(people: Command, photo: Path) -> None:
    people("add", EILEEN, photo, "--record", '{"room": 12}', "--consent", "form 7")

    [shown] = people("show", "eileen-collins", "--json").json
    listed = entries(people("list", "--json"))
    assert listed["eileen-collins"] == shown
    assert (shown["name"], shown["record"]) == (EILEEN, {"room": 12})
    assert shown["consent"] == "form 7"
    [face] = shown["faces"]
    assert face["engine"].startswith("dlib")
    assert face["side_px"] > 40
    table = people("list")
    assert "eileen-collins" in table.out
    assert '{"room": 12}' in table.out
    assert "form 7" in people("show", "eileen-collins").out


def test_each_change_counts_the_gallery_up_with_it(
    people: Command, service: People, target: Target, photo: Path
) -> None:
    before = version(target)

    added = people("add", EILEEN, photo)
    counted = version(target)
    service.change("eileen-collins", record={"year": 1995})
    changed = version(target)
    service.remove("eileen-collins")

    assert added.status == 0, added.err
    assert counted == before + 1  # person and face in one step
    assert changed == counted + 1
    assert version(target) == changed + 1


def test_changes_at_the_same_moment_all_count(service: People, target: Target) -> None:
    before = version(target)
    failures: list[Exception] = []

    def enrol(number: int) -> None:
        try:
            service.add(f"Student {number}", record={"number": number})
        except ConflictError as err:
            failures.append(err)

    threads = [threading.Thread(target=enrol, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    ids = [entry.person.id for entry in service.all() if entry.person.id.startswith("student-")]
    counted = version(target)
    for id_ in ids:
        service.remove(id_)
    assert not failures
    assert ids == [f"student-{number}" for number in range(6)]
    assert counted == before + 6


def test_a_change_that_comes_too_late_changes_nothing(
    service: People, target: Target, grace: str
) -> None:
    tables = {name: target.output(f"{name.title()}Table") for name in ("people", "faces", "meta")}
    table = PeopleTable(target.client("dynamodb"), TableNames(**tables), sleep=time.sleep)
    entry, before = service.get(grace), version(target)
    person = replace(entry.person, record={"rank": "Lieutenant"}, revision=entry.person.revision)
    face = replace(entry.faces[0], id=str(uuid4()))

    for expected in (None, entry.person.revision - 1, entry.person.revision + 7):
        change = Change(person_id=grace, expected=expected, person=person, added=(face,))
        with pytest.raises(ConflictError):
            table.write(change)

    assert version(target) == before
    assert service.get(grace) == entry
