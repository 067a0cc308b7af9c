"""What disks do in a year: they break, fill up, become read-only, and somebody clears them up."""

import contextlib
import errno
import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from device.spooling.disk_spool import DiskSpool
from device.spooling.memory_spool import MemorySpool
from device.spooling.tended_frames import RETRY_S
from tests.device.fakes import key_of, spooled
from tests.device.spooling.spools import BOUNDS, Clock, Open, files, real, taken


def _truncate(path: Path) -> None:
    os.truncate(path, 3000)


def _overwrite(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 40)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _scribble(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[1024:] = os.urandom(len(data) - 1024)
    path.write_bytes(data)


def _from_the_future(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()


@pytest.mark.parametrize("spoil", [_truncate, _overwrite, _scribble, _from_the_future, _empty])
def test_an_index_that_cannot_be_used_is_set_aside_and_the_frames_are_taken_up(
    spoil: Callable[[Path], None], open_spool: Open, folder: Path
) -> None:
    spool = open_spool()
    frames = [real(second) for second in range(30)]
    for frame in frames:
        spool.put(frame)
    spool.close()
    spoil(folder / "spool.db")

    spool = open_spool()

    assert spool.trouble() is None
    assert taken(spool) == [frame.frame_id for frame in reversed(frames)]
    broken = [each for each in folder.iterdir() if each.name.startswith("spool.db.broken-")]
    assert len(broken) == (spoil is not _empty)


def test_an_index_that_breaks_while_it_is_used_is_set_aside_and_its_rows_are_counted(
    open_spool: Open, folder: Path
) -> None:
    spool = open_spool(bounds=replace(BOUNDS, max_frames=2500))
    frames = [replace(spooled(1, size=1), captured_s=i / 100) for i in range(2500)]
    for frame in frames:  # more than is kept of it in memory
        spool.put(frame)
    for frame in frames[100:200]:
        spool.mark(frame.frame_id, "uploaded")
    spool.sweep()
    _scribble(folder / "spool.db")

    dropped = list[str]()
    for i in range(40):
        dropped += spool.put(replace(real(59), captured_s=50 + i / 100))
    dropped += spool.sweep()

    assert [each.name for each in folder.iterdir() if "broken" in each.name]
    assert spool.depth() + len(dropped) == 2540
    assert len(dropped) >= 100  # what was uploaded, and has no file, is lost
    assert (spool.dropped(), spool.trouble()) == (len(dropped), None)


@pytest.mark.parametrize("removed", [".", "spool.db", "frames"])
def test_what_somebody_removes_under_it_is_made_anew_and_the_loss_counted(
    removed: str, open_spool: Open, folder: Path
) -> None:
    spool = open_spool()
    for second in range(5):
        spool.put(real(second))
    in_hand = spool.take(0)
    assert in_hand is not None
    spool.mark(in_hand.frame_id, "uploaded")
    gone = folder / removed
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()

    new = replace(real(9), captured_s=59.9)
    dropped = [*spool.put(new)]
    spool.mark(in_hand.frame_id, "published")
    spool.mark(in_hand.frame_id, "answered")
    still = taken(spool)
    dropped += spool.sweep()

    assert still[0] == new.frame_id
    assert len(still) + len(dropped) == 5
    assert (spool.depth(), spool.dropped()) == (len(still), len(dropped))
    assert spool.trouble() is None
    assert files(folder) >= {f"{new.frame_id}.jpg"}


# Disks that are full or read-only: a small file system of its own, which takes root to mount.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "spool-test", place],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("a small disk can only be mounted by root")
    with contextlib.ExitStack() as resources:
        resources.callback(subprocess.run, ["umount", "-l", place], check=True)
        yield place


@pytest.fixture
def folder_on_small_disk(small_disk: Path, clock: Clock) -> Iterator[DiskSpool]:
    with DiskSpool(
        small_disk / "spool", key_of, BOUNDS, MemorySpool(max_frames=8, clock=clock), clock=clock
    ) as spool:
        yield spool


BIG = 50_000


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_on_a_full_disk_the_oldest_frames_make_room(
    folder_on_small_disk: DiskSpool, small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = folder_on_small_disk
    frames = [spooled(second, size=BIG) for second in range(60)]

    dropped = [each for frame in frames for each in spool.put(frame)]

    kept = taken(spool)
    ids = [frame.frame_id for frame in frames]
    assert len(kept) >= 8
    assert ids == [*dropped, *reversed(kept)]
    assert spool.dropped() == len(dropped)
    assert "the disk is full; the oldest frames make room" in (spool.trouble() or "")
    assert len([each for each in caplog.records if "the disk is full" in each.message]) == 1


def test_a_disk_that_others_filled_is_done_without_and_told_of(
    folder_on_small_disk: DiskSpool,
    small_disk: Path,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    spool = folder_on_small_disk
    _fill(small_disk / "log")
    frames = [spooled(second, size=BIG) for second in range(10)]

    dropped = [each for frame in frames for each in spool.put(frame)]

    assert dropped == [frame.frame_id for frame in frames[:2]]  # memory has room for eight
    trouble = spool.trouble() or ""
    assert "kept in memory" in trouble
    assert "No space left on device (make room on it, or set [spool] max_bytes lower)" in trouble
    assert len([each for each in caplog.records if each.levelname == "WARNING"]) == 1
    (small_disk / "log").unlink()
    clock.now_s += RETRY_S
    last = spooled(59, size=BIG)
    spool.put(last)
    assert spool.trouble() is None
    assert taken(spool) == [each.frame_id for each in [last, *reversed(frames[2:])]]
    assert spool.depth() == 9


@pytest.fixture
def write_protect() -> Iterator[Callable[[bool], None]]:
    """Have every write of this process fail, as on a disk that has become read-only."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def protect(on: bool) -> None:
        soft = 0 if on else limits[0]
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, limits[1]))

    yield protect
    protect(False)


def test_a_disk_that_takes_no_more_writes_is_read_on_and_told_of(
    open_spool: Open, clock: Clock, folder: Path, write_protect: Callable[[bool], None]
) -> None:
    spool, first, second = open_spool(), real(1), real(2)
    spool.put(first)
    spool.put(second)
    write_protect(True)

    third = real(3)
    spool.put(third)
    clock.now_s += RETRY_S
    spool.sweep()
    trouble, got = spool.trouble(), taken(spool)
    for frame in (first, third):
        for state in ("uploaded", "answered"):
            spool.mark(frame.frame_id, state)  # type: ignore[arg-type]
    spool.release(second.frame_id)
    again, depth = taken(spool), spool.depth()
    write_protect(False)

    assert trouble == f"frames are kept in memory: {folder}: {os.strerror(errno.EFBIG)}"
    assert got == [each.frame_id for each in (third, second, first)]
    assert (again, depth) == ([second.frame_id], 1)
    clock.now_s += RETRY_S
    spool.put(real(4))
    assert (spool.trouble(), spool.depth()) == (None, 2)


def test_a_disk_that_is_read_only_from_the_start_is_done_without_until_it_is_not(
    small_disk: Path, clock: Clock
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    memory = MemorySpool(clock=clock)
    with DiskSpool(small_disk / "spool", key_of, BOUNDS, memory, clock=clock) as spool:
        frame = real(1)
        spool.put(frame)
        assert "Read-only file system" in (spool.trouble() or "")
        subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
        clock.now_s += RETRY_S
        spool.sweep()

        assert spool.trouble() is None
        assert taken(spool) == [frame.frame_id]


def test_a_folder_that_is_in_the_way_is_told_with_its_name(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "spool").write_text("a file")
    with DiskSpool(tmp_path / "spool", key_of, BOUNDS, MemorySpool(), clock=clock) as spool:
        assert str(tmp_path / "spool") in (spool.trouble() or "")


def test_of_broken_indexes_the_last_few_are_kept(open_spool: Open, folder: Path) -> None:
    folder.mkdir()
    for day in range(10, 16):
        (folder / f"spool.db.broken-202601{day}T000000").write_text("old")
        (folder / f"spool.db.broken-202601{day}T000000-wal").write_text("old")
    (folder / "spool.db").write_bytes(b"no database" * 100)

    open_spool()

    names = {each.name[:24] for each in folder.iterdir() if "broken" in each.name}
    assert {"spool.db.broken-20260114", "spool.db.broken-20260115"} < names
    assert len(names) == 3


def test_an_index_that_somebody_else_has_open_is_waited_for(
    open_spool: Open, folder: Path, clock: Clock
) -> None:
    frame = real(1)
    open_spool().put(frame)
    open_spool().close()
    other = sqlite3.connect(folder / "spool.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    spool = open_spool()
    assert "database is locked" in (spool.trouble() or "")
    assert not [each for each in folder.iterdir() if "broken" in each.name]

    other.close()
    clock.now_s += RETRY_S

    assert (spool.sweep(), spool.trouble()) == ((), None)
    assert taken(spool) == [frame.frame_id]
