"""`./run evaluate`, with the networks, on the shipped portraits and on real photographs."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from infra.cli import main

PORTRAITS = Path(__file__).parents[2] / "data"
HOPPER, COLLINS = PORTRAITS / "grace-hopper.jpg", PORTRAITS / "eileen-collins.png"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Two people with two photos each, the second of which is a smaller copy; and one empty."""
    for name, portrait in (("grace", HOPPER), ("eileen", COLLINS)):
        folder = tmp_path / "people" / name
        folder.mkdir(parents=True)
        shutil.copy(portrait, folder)
        with Image.open(portrait) as picture:
            small = picture.convert("RGB").resize((picture.width * 2 // 3, picture.height * 2 // 3))
            small.save(folder / "smaller.jpg")
    Image.new("RGB", (200, 200), "grey").save(tmp_path / "people" / "grace" / "empty.png")
    (tmp_path / "people" / "grace" / "broken.jpg").write_bytes(b"no image")
    return tmp_path / "people"


def run(*arguments: str | Path) -> int:
    return main(["evaluate", *map(str, arguments)])


def test_a_folder_of_people_is_evaluated(
    people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(people, "--out", tmp_path / "out", "--json") == 0

    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (found["faces"], found["people"]) == (4, 2)
    assert (found["same_pairs"], found["different_pairs"], found["auc"]) == (2, 4, 1)
    assert found["default"]["identification"]["named_rightly"] == 4
    assert sorted(Path(each["photo"]).name for each in found["left_out"]) == [
        "broken.jpg",
        "empty.png",
    ]
    steps = {step["what"]: step for step in found["gates"]}
    assert steps["60 px"]["recognised"] == 1
    assert steps["blur 8%"]["sharpness"] < 0.02 < steps["60 px"]["sharpness"]
    assert 0.005 < found["recommended_gates"]["blur"] < 0.3
    for file in ("roc.png", "histogram.png", "gates.png"):
        with Image.open(tmp_path / "out" / file) as picture:
            picture.verify()
    assert len((tmp_path / "out" / "scores.csv").read_text().splitlines()) == 7


def test_the_tables_name_what_was_left_out(
    people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(people, "--out", tmp_path / "out") == 0

    told = capsys.readouterr()
    assert "ROC-AUC           1.0000" in told.out
    assert "not shown: 1,000 different pairs are needed, and there are 4" in told.out
    assert "recommended" in told.out
    assert f"left out  {people}/grace/empty.png: no face was found" in told.err
    assert "few pairs" in told.err
    assert "smallest side, px 40 is in force; " in told.out
    assert "least sharpness   0.02 is in force; recommended " in told.out
    assert not told.err.startswith("\n")  # nor is there anything else of a progress bar


def test_what_takes_longer_can_be_left_out(
    people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(people, "--out", tmp_path / "out", "--no-gates", "--json") == 0

    found = json.loads(capsys.readouterr().out)
    assert (found["gates"], found["recommended_gates"]) == ([], {})
    assert not (tmp_path / "out" / "gates.png").exists()


def test_pairs_in_a_file_are_evaluated(
    people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = people / "pairs.csv"
    file.write_text(
        "grace/grace-hopper.jpg,grace/smaller.jpg,same\n"
        "grace/grace-hopper.jpg,eileen/smaller.jpg,different\n"
        "grace/empty.png,eileen/smaller.jpg,different\n"
    )

    assert run("--pairs", file, "--out", tmp_path / "out", "--json") == 0

    found = json.loads(capsys.readouterr().out)
    assert (found["people"], found["same_pairs"], found["different_pairs"]) == (None, 1, 1)
    assert found["default"]["identification"] is None


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "give a folder with a folder a person, or --pairs"),
        (("--pairs", "x.csv", "--gates"), "--gates needs a folder"),
        (("--pairs", "missing.csv"), "missing.csv cannot be read"),
        (("missing-folder",), "cannot look into missing-folder"),
    ],
)
def test_what_cannot_be_evaluated_is_said_in_a_line(
    arguments: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2

    assert complaint in capsys.readouterr().err


def test_people_without_faces_are_said_to_be_missing(
    people: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(people / "eileen")
    (people / "nobody").mkdir()
    shutil.copy(people / "grace" / "empty.png", people / "nobody")

    assert run(people) == 2
    assert "faces of 1 people were found" in capsys.readouterr().err


@pytest.mark.photographs
def test_real_people_are_told_apart(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(photographs / "enrol", "--out", tmp_path / "out", "--json") == 0

    found = json.loads(capsys.readouterr().out)
    assert (found["faces"], found["people"], found["auc"]) == (9, 5, 1)
    assert found["default"]["identification"]["named_rightly"] == 8
    assert found["default"]["identification"]["strangers_named"] == 0
    assert found["closest"]["distance"] > found["recommended"]["threshold"]
