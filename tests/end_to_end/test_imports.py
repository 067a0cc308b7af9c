"""Other projects' files of people, imported: whoever was in them is recognised."""

import json
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from infra.cli import main
from infra.enrolling import open_people
from infra.local.stack import LocalStack
from infra.target import Target
from sightline.faces.image import decode
from sightline.faces.loading import load_recognizer
from sightline.messages import Face
from tests.end_to_end import pictures
from tests.end_to_end.actors import DATA, Finished, one_line

pytestmark = pytest.mark.stack

GOLDEN = Path(__file__).parents[1] / "golden" / "imports"

Command = Callable[..., Finished]
Vector = NDArray[np.float64]


@pytest.fixture
def people(
    stack: LocalStack, target: Target, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """Run `people …`; whoever a test enrols is forgotten at its end."""
    before = {entry.person.id for entry in open_people(target).all()}

    def run(*words: str | Path) -> Finished:
        capsys.readouterr()
        status = main(["--state", str(stack.settings.state), "people", *map(str, words)])
        said = capsys.readouterr()
        return Finished(status=status, out=said.out, err=said.err)

    yield run
    register = open_people(target)
    for entry in register.all():
        if entry.person.id not in before:
            register.remove(entry.person.id)


@pytest.fixture(scope="session")
def eileens() -> list[Vector]:
    """Two embeddings of Eileen Collins, by our own dlib engine, as face_recognition has them."""
    recognizer = load_recognizer("dlib")
    picture = pictures.eileen()
    found = []
    for each in (picture, picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)):
        [face] = recognizer.see(decode(pictures.jpeg(each))).faces
        assert face.embedding is not None
        found.append(face.embedding.astype(np.float64))
    return found


@pytest.fixture
def encoding(tmp_path: Path, eileens: list[Vector]) -> Path:
    """An 'encoding' file of Eileen Collins and two made-up people."""
    others = list(np.random.RandomState(5).standard_normal((2, 128)))
    path = tmp_path / "encoding"
    names = ["eileen_collins", "Ada Lovelace", "Alan Turing", "Eileen Collins"]
    value = {"encodings": [eileens[0], *others, eileens[1]], "names": names}
    path.write_bytes(pickle.dumps(value))
    return path


def listed(people: Command) -> dict[str, dict[str, Any]]:
    done = people("list", "--json")
    assert done.status == 0, done.err
    return {entry["id"]: entry for entry in done.json[0]}


@pytest.mark.usefixtures("grace")
def test_whoever_is_in_an_encoding_file_is_recognised_with_the_record_of_another(
    people: Command, see: Callable[..., list[Face]], encoding: Path, tmp_path: Path
) -> None:
    assert [face.decision for face in see(pictures.eileen())] == ["unknown"]

    done = people("import", encoding)

    assert done.status == 0, done.err
    lines = done.err.splitlines()
    assert lines[0] == f"{encoding}: 4 embeddings of 3 people, for dlib-resnet@1"
    assert "eileen_collins: 2 embeddings enrolled as eileen-collins" in lines
    assert "3 people new, 4 embeddings added, 0 were there already, 0 refused" in lines
    assert "./run people add NAME PHOTO… is better" in lines[-1]

    students = tmp_path / "student_data.json"
    item = {"name": {"S": "Eileen Collins"}, "major": {"S": "mathematics"}, "year": {"N": "1"}}
    students.write_text(json.dumps({"student-data": [{"PutRequest": {"Item": item}}]}))
    assert people("import", students).status == 0

    [face] = see(pictures.eileen())
    assert face.decision == "known"
    assert face.person is not None
    assert (face.person.name, face.person.record) == (
        "Eileen Collins",
        {"major": "mathematics", "year": 1},
    )


def test_the_same_file_again_changes_nothing_and_says_so(people: Command, encoding: Path) -> None:
    people("import", encoding)
    before = listed(people)

    again = people("import", encoding, "--json")

    assert again.status == 0, again.err
    assert again.json == [
        {"id": id_, "name": name, "new": False, "added": 0, "already": count, "refused": []}
        for id_, name, count in [
            ("eileen-collins", "eileen_collins", 2),
            ("ada-lovelace", "Ada Lovelace", 1),
            ("alan-turing", "Alan Turing", 1),
        ]
    ]
    assert "0 people new, 0 embeddings added, 4 were there already" in again.err
    assert listed(people) == before
    assert "imported" in people("show", "ada-lovelace").out


@pytest.mark.usefixtures("grace")
def test_an_embedding_like_somebody_elses_is_refused_with_whose(
    people: Command, tmp_path: Path
) -> None:
    [face] = load_recognizer("dlib").see(decode((DATA / "grace-hopper.jpg").read_bytes())).faces
    assert face.embedding is not None
    file = tmp_path / "encodings.pickle"
    file.write_bytes(pickle.dumps({"encodings": [face.embedding.tolist()], "names": ["Impostor"]}))

    done = people("import", file)

    assert done.status == 1
    assert "refused  Impostor: looks like grace-hopper, who is enrolled" in done.err
    assert "Impostor is not enrolled: every embedding was refused" in done.err
    assert "impostor" not in listed(people)
    assert people("import", file, "--force").status == 0
    assert "impostor" in listed(people)


def test_facenets_file_is_refused_by_a_stack_of_dlibs_with_what_to_do(people: Command) -> None:
    before = listed(people)

    done = people("import", GOLDEN / "own.pt")

    assert done.status == 2
    line = one_line(done.err)
    assert "own.pt: its embeddings have 512 numbers, as facenet's have" in line
    assert "the stack recognises with dlib" in line
    assert "./run up --engine facenet" in line
    assert listed(people) == before


class _Evil:
    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.system, (f"touch {self._mark}",)


def test_a_malicious_file_is_refused_in_one_line_and_nothing_of_it_is_run(
    people: Command, tmp_path: Path
) -> None:
    mark, file = tmp_path / "ran", tmp_path / "encoding"
    file.write_bytes(pickle.dumps({"encodings": [_Evil(mark)], "names": ["Eve"]}))

    done = people("import", file)

    assert done.status == 2
    assert f"{file}: it is refused, and nothing of it was run: it names" in one_line(done.err)
    assert not mark.exists()


def test_embeddings_that_dlib_did_not_make_are_minded(people: Command, tmp_path: Path) -> None:
    vectors = np.random.RandomState(9).standard_normal((2, 128))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    file = tmp_path / "embeddings.pickle"
    file.write_bytes(pickle.dumps({"embeddings": list(vectors), "names": ["Ada", "Alan"]}))

    done = people("import", file)

    assert done.status == 0, done.err
    assert "mind      the embeddings all have length 1, as OpenFace's have" in done.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"PK\x03\x04nothing", "damaged zip"),
        (pickle.dumps({"encodings": [[1.0] * 127], "names": ["Ada"]}), "has 127 numbers"),
        (pickle.dumps({"encodings": [], "names": ["Ada"]}), "0 vectors, but 1 names"),
        (pickle.dumps({"encodings": [[float("nan")] * 128], "names": ["Ada"]}), "no finite number"),
        (b"a text", "nor are they a CSV"),
    ],
)
def test_a_file_that_cannot_be_taken_is_said_in_one_line(
    people: Command, tmp_path: Path, content: bytes, said: str
) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)

    done = people("import", file)

    assert done.status == 2
    assert said in one_line(done.err)
