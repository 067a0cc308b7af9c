import io
import os
import zipfile
from pathlib import Path

import pytest

from infra.packaging import package
from sightline.errors import ConfigError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("cloud", "sightline"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text(folder)
    return tmp_path


def names(data: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(data)).namelist()


def test_the_same_sources_make_the_same_bytes(root: Path) -> None:
    before = package(root)
    os.utime(root / "cloud" / "__init__.py", (0, 1_000_000_000))

    assert package(root).digest == before.digest


def test_other_sources_make_another_digest(root: Path) -> None:
    before = package(root)
    (root / "cloud" / "__init__.py").write_text("more")

    assert package(root).digest != before.digest


def test_nothing_comes_along_that_is_no_source(root: Path) -> None:
    (root / "cloud" / "__pycache__").mkdir()
    (root / "cloud" / "__pycache__" / "x.pyc").touch()
    (root / "cloud" / ".secret").touch()
    (root / "cloud" / "old.pyc").touch()
    (root / "device").mkdir()

    assert names(package(root).data) == ["cloud/__init__.py", "sightline/__init__.py"]


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cloud"):
        package(tmp_path)
