"""Engines, added and listed."""

import stat
import sys
from pathlib import Path

import pytest

from infra.engines import add_facenet, listed
from infra.environments import Environment
from sightline.errors import ConfigError, ModelError, TransportError
from sightline.faces import dlib, facenet
from sightline.faces.engines import load_engine
from tests.sightline.faces.networks import install, tiny_network

NOWHERE = Environment(folder=Path("/nowhere"), requirements=Path("/nowhere.txt"), size="none")


def add(folder: Path, *, weights: Path | None, python: Path) -> dict[str, object]:
    return add_facenet(
        weights=weights,
        folder=folder,
        say=lambda _: None,
        progress=lambda *_: None,
        environment=NOWHERE,
        environ={"SIGHTLINE_EXPORT_PYTHON": str(python)},
        url="http://127.0.0.1:9/20180402-114759-vggface2.pt",  # nobody listens there
    )


def script(folder: Path, text: str) -> Path:
    """Stands in for the interpreter of the export environment."""
    path = folder / "python"
    path.write_text(f"#!{sys.executable}\nimport sys\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_without_a_network_both_ways_out_are_named(tmp_path: Path) -> None:
    with pytest.raises(TransportError) as caught:
        add(tmp_path, weights=None, python=Path(sys.executable))

    assert "the same again where there is a network" in str(caught.value)
    assert "--weights 20180402-114759-vggface2.pt" in str(caught.value)


def test_weights_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no file .*none\.pt"):
        add(tmp_path, weights=tmp_path / "none.pt", python=Path(sys.executable))


def test_what_the_export_says_is_passed_on(tmp_path: Path) -> None:
    weights = tmp_path / "w.pt"
    weights.touch()
    python = script(tmp_path, "sys.exit('a warning\\nthe export differs from torch by 3')")

    with pytest.raises(ModelError, match=r"^the export differs from torch by 3$"):
        add(tmp_path, weights=weights, python=python)


def test_the_export_is_told_weights_and_folder(tmp_path: Path) -> None:
    weights = tmp_path / "w.pt"
    weights.touch()
    python = script(tmp_path, "import json; print(json.dumps({'id': sys.argv[1:]}))")

    made = add(tmp_path, weights=weights, python=python)

    assert made["id"] == ["-m", "infra.export.facenet", str(weights), str(tmp_path)]


def test_an_interpreter_that_is_none_is_named(tmp_path: Path) -> None:
    weights = tmp_path / "w.pt"
    weights.touch()

    with pytest.raises(ModelError, match="cannot run"):
        add(tmp_path, weights=weights, python=tmp_path / "no-python")


def test_every_engine_is_listed_with_who_has_embeddings_of_it(tmp_path: Path) -> None:
    load_engine("dlib", folder=tmp_path)
    install(tmp_path, facenet.CARD, tiny_network(160, 512), "facenet-1234@1")
    faces = [("ada", dlib.ID), ("bob", dlib.ID), ("ada", dlib.ID), ("eve", "arcface@1")]

    rows = {row.name: row for row in listed(tmp_path, faces=faces)}

    assert rows["dlib"].people == ("ada", "bob")
    assert rows["dlib"].megabytes > 20
    assert rows["dlib"].face_ms is not None
    assert rows["dlib"].face_ms > 0
    assert rows["facenet"].card is not None
    assert rows["facenet"].card.id == "facenet-1234@1"
    assert rows["facenet"].people == ()
    assert "./run engines quantise dlib" in rows["dlib-int8"].mend
    assert rows["arcface@1"].people == ("eve",)


def test_a_damaged_engine_is_listed_as_such(tmp_path: Path) -> None:
    path = install(tmp_path, facenet.CARD, tiny_network(160, 512), "facenet-1234@1")
    path.write_bytes(b"half")

    rows = {row.name: row for row in listed(tmp_path, measure=False)}

    assert rows["facenet"].card is None
    assert "is damaged" in rows["facenet"].mend


def test_an_environment_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    pins = tmp_path / "pins.txt"
    pins.write_text("")  # nothing to fetch
    environment = Environment(folder=tmp_path / "venv", requirements=pins, size="10 MB")
    said: list[str] = []

    python = environment.make(said.append)
    before = python.stat().st_mtime_ns, len(said)
    environment.make(said.append)

    assert environment.is_complete
    assert (python.stat().st_mtime_ns, len(said)) == before
    pins.write_text("# other pins\n")
    assert not environment.is_complete


def test_an_environment_that_cannot_be_made_says_what_pip_said(tmp_path: Path) -> None:
    pins = tmp_path / "pins.txt"
    pins.write_text("./no-such-folder\n")
    environment = Environment(folder=tmp_path / "venv", requirements=pins, size="10 MB")

    with pytest.raises(ConfigError, match=r"could not be set up: .*no-such-folder"):
        environment.make(lambda _: None)
    assert not environment.is_complete
