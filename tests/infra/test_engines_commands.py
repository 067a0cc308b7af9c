"""`./run engines …`, as far as it needs neither a stack nor torch."""

import json
from pathlib import Path

import pytest

from infra.cli import main
from sightline.faces import facenet
from tests.sightline.faces.networks import install, tiny_network

NO_STACK = ("--state", "/nowhere/at-all")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    install(tmp_path, facenet.CARD, tiny_network(160, 512), "facenet-1234@1")
    return tmp_path


def test_they_are_listed_for_a_program(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*NO_STACK, "engines", "--folder", str(folder), "--json"]) == 0

    rows = {row["engine"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(rows) == ["dlib", "facenet", "dlib-int8", "facenet-int8"]
    assert rows["facenet"]["id"] == "facenet-1234@1"
    assert rows["facenet"]["licence"].startswith("MIT")
    assert rows["facenet"]["face_ms"] >= 0
    assert rows["facenet"]["people"] is None  # without a stack nobody can tell
    assert rows["dlib-int8"]["missing"].endswith("./run engines quantise dlib")


def test_they_are_listed_for_a_person(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*NO_STACK, "engines", "--folder", str(folder)]) == 0

    out = capsys.readouterr().out
    assert "no stack" in out
    assert "./run engines quantise facenet" in out


def test_the_int8_form_is_offered_with_its_effect(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["engines", "quantise", "dlib", "--folder", str(tmp_path)]) == 0

    out = capsys.readouterr().out
    assert "against dlib-resnet@1: 0 of 2 decisions and 0 of 1 pairs changed" in out
    assert "two portraits say little" in out
    assert main([*NO_STACK, "engines", "--folder", str(tmp_path)]) == 0
    assert "dlib-int8: against its full form, 0 of 2 decisions" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["quantise", "dlib-int8"], "has no INT8 form"),
        (["quantise", "facenet"], "./run engines add facenet"),
        (["quantise", "dlib", "/nowhere"], "there is no folder /nowhere"),
        (["add", "arcface"], "engines add facenet, or dlib"),
        (["add", "facenet", "--weights", "/nowhere.pt"], "there is no file /nowhere.pt"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["engines", *words, "--folder", str(tmp_path)]) == 2

    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("sightline: ")
    assert said in line
