"""The image's engine, as far as it needs no torch: tests/export has the rest."""

from pathlib import Path

import pytest

from infra.imaging import engine as image_engine
from sightline.errors import ModelError
from sightline.faces import facenet
from tests.sightline.faces.networks import install, tiny_network


def test_dlib_is_made_of_the_packages_weights(tmp_path: Path) -> None:
    assert image_engine.main(["dlib", str(tmp_path / "engine")]) == 0

    assert [path.name for path in (tmp_path / "engine").iterdir()] == ["dlib-resnet-1.onnx"]


def test_an_engine_is_copied_with_its_card_and_nothing_else_of_the_folder(tmp_path: Path) -> None:
    source, into = tmp_path / "source", tmp_path / "image"
    install(source, facenet.CARD, tiny_network(160, 512), "facenet-1234@1")
    (source / "downloads").mkdir()
    (source / "optimised").mkdir()

    assert image_engine.main(["facenet", str(into), "--from", str(source)]) == 0

    assert {path.name for path in into.iterdir()} == {"facenet-1.onnx", "facenet-1.json"}
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in into.iterdir())


def test_an_engine_that_is_damaged_is_not_copied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, into = tmp_path / "source", tmp_path / "image"
    install(source, facenet.CARD, tiny_network(160, 512), "facenet-1234@1")
    with (source / "facenet-1.onnx").open("ab") as file:
        file.write(b"x")

    assert image_engine.main(["facenet", str(into), "--from", str(source)]) == 2

    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not into.exists()


def test_an_8_bit_form_cannot_be_exported_and_says_how_it_is_made(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="engines quantise facenet PHOTOS"):
        image_engine.export_engine("facenet-int8", tmp_path)


def test_weights_are_one_file(tmp_path: Path) -> None:
    for name in ("a.pt", "b.pt"):
        (tmp_path / name).touch()

    with pytest.raises(ModelError, match=r"one file of weights, and not a\.pt, b\.pt"):
        image_engine.export_engine("facenet", tmp_path / "engine", tmp_path)
