"""What the spool's files ask of the disk, and in which order."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from device.spooling.files import SpoolFiles

Calls = list[tuple[str, ...]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Which files are synced and renamed, and how many bytes are in them then."""
    made: Calls = []
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        made.append(("sync", path.name, "" if path.is_dir() else str(path.stat().st_size)))
        sync(descriptor)

    def noted(move: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
        def rename(source: Path, target: Path) -> None:
            made.append(("rename", source.name, target.name))
            move(source, target)

        return rename

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", noted(os.rename))
    monkeypatch.setattr(os, "replace", noted(os.replace))
    return made


def test_a_file_is_on_disk_before_it_has_its_name_and_the_name_before_write_returns(
    tmp_path: Path, calls: Calls
) -> None:
    files = SpoolFiles(tmp_path / "frames")

    files.write("one", bytes(100_000))

    assert calls == [
        ("sync", "one.tmp", "100000"),
        ("rename", "one.tmp", "one.jpg"),
        ("sync", "frames", ""),
    ]


def test_a_file_that_the_disk_did_not_take_never_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    files = SpoolFiles(tmp_path / "frames")
    monkeypatch.setattr(os, "fsync", fsync)

    with pytest.raises(OSError, match="Input/output error"):
        files.write("one", b"jpeg")

    assert list((tmp_path / "frames").iterdir()) == []
