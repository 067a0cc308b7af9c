"""The folder of a spool on disk: files and index, brought into line with each other when opened.

What a process that was killed, or a power cut, leaves behind is put right by these rules:

| there is                                    | then it is                                       |
|---------------------------------------------|--------------------------------------------------|
| a file, and a row `captured`                | a frame that waits                               |
| a row `uploaded` or `published`             | a frame that waits; its file, if any, is removed |
| a row `captured` without its file           | dropped, and counted                             |
| a file without a row, its frame answered    | removed                                          |
| a file without a row else, named by an id   | taken up: a frame that waits                     |
| a file that has no frame's id for a name    | somebody else's: left alone                      |
| an index that is damaged, or not ours       | set aside as `spool.db.broken-<time>`; made anew |
| a row in such an index, and no file         | dropped, and counted (`device.spooling.remains`) |
"""

import contextlib
import errno
import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from device.clock import utc_now
from device.spooling import disk_trouble
from device.spooling.files import SpoolFiles
from device.spooling.index import SpoolIndex
from device.spooling.rows import Change, Entry
from device.spooling.spool import SpooledFrame
from sightline.errors import ConfigError

log = logging.getLogger(__name__)

INDEX, FILES, LOCK = "spool.db", "frames", "lock"
BROKEN_KEPT = 3  # indexes that were set aside; of more, the oldest are removed

KeyOf = Callable[[str, datetime], str]  # a frame's id, and when it was taken: its key

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SpoolFolder:
    """Files and index of one spool. Beside `ConfigError` it raises `OSError`, `sqlite3.Error`.

    Attributes:
        files: The JPEGs.
        index: How far each frame has come.
        lost: How many frames were found to be lost, and are counted, as it was opened.
        broken: The index that was set aside as it was opened; None: none was.
    """

    def __init__(self, folder: Path, key_of: KeyOf, *, boot: str, now_s: float) -> None:
        """Open *folder*, made if it is not there, and put it right.

        Args:
            key_of: Gives a frame that is taken up its key.
            boot: Names this run of the machine: its monotonic clock means something within it.
            now_s: The monotonic clock.

        Raises:
            ConfigError: Another process has it.
        """
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.ExitStack() as resources:
            resources.enter_context(_locked(folder))
            self.files = SpoolFiles(folder / FILES)
            self.files.tidy()
            self.broken: Path | None = None
            self._open_index(key_of, boot, now_s)
            resources.callback(self.index.close)
            self._resources = resources.pop_all()

    def close(self) -> None:
        """Let go of it."""
        self._resources.close()

    def is_gone(self) -> bool:
        """Tell whether somebody has removed it, or a part: what is written goes nowhere."""
        return self.index.is_gone() or not self.files.is_there()

    def set_aside(self) -> Path:
        """Give the index another name, so that the next who opens the folder makes one anew."""
        stamp = f"{utc_now():%Y%m%dT%H%M%S}"
        path = self._folder / INDEX
        for ending in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(INDEX + ending).rename(f"{path}.broken-{stamp}{ending}")
        broken = sorted(
            each
            for each in self._folder.glob(f"{INDEX}.broken-*")
            if not each.name.endswith(("-wal", "-shm"))
        )
        for each in broken[:-BROKEN_KEPT]:
            for ending in ("", "-wal", "-shm"):
                each.with_name(each.name + ending).unlink(missing_ok=True)
        log.warning("%s is set aside as %s.broken-%s", path, INDEX, stamp)
        return path.with_name(f"{INDEX}.broken-{stamp}")

    def _open_index(self, key_of: KeyOf, boot: str, now_s: float) -> None:
        try:
            self._use_index(key_of, boot, now_s)
        except sqlite3.Error as err:
            path = self._folder / INDEX
            # That it cannot be read or written says nothing of it, unless it itself forbids that.
            forbids = disk_trouble.number(err) == errno.EROFS and os.access(path, os.W_OK)
            if not (forbids or disk_trouble.is_damaged(err) or disk_trouble.is_odd(err)):
                raise
            log.warning("%s cannot be used: %s", path, err)
            self.broken = self.set_aside()
            self._use_index(key_of, boot, now_s)

    def _use_index(self, key_of: KeyOf, boot: str, now_s: float) -> None:
        self.index = SpoolIndex(self._folder / INDEX)
        try:
            self.lost = self._reconcile(key_of)
            self.index.begin(boot, now_s)
        except BaseException:
            self.index.close()
            raise

    def _reconcile(self, key_of: KeyOf) -> int:
        change, rowless, finished = Change(), set(self.files.ids()), set[str]()
        for entry in self.index.all():
            frame = entry.frame
            has_file = frame.frame_id in rowless
            rowless.discard(frame.frame_id)
            if frame.state == "captured" and not has_file:
                change.dropped.add(entry.at_us)
            elif frame.state != "captured" and has_file:
                finished.add(frame.frame_id)
        answered = rowless & {*self.index.answered()}
        for frame_id in finished | answered:  # once every row was found to be sound
            self.files.remove(frame_id)
        rowless -= answered
        at_us = self.index.free_place(None)
        for frame_id in sorted(rowless):  # UUIDv7: ids sort as the frames were taken
            found = self._taken_up(frame_id, key_of)
            if found is not None:
                change.added.append(Entry(at_us + len(change.added), found))
        if change:
            self.index.write(change)
        if change.added:
            log.warning("%s: took up %d frames that had no row", self._folder, len(change.added))
        if change.dropped:
            log.warning("%s: %d frames have lost their files", self._folder, len(change.dropped))
        return len(change.dropped)

    def _taken_up(self, frame_id: str, key_of: KeyOf) -> SpooledFrame | None:
        captured_at = captured_at_of(frame_id)
        if captured_at is None:
            return None
        return SpooledFrame(
            frame_id=frame_id,
            key=key_of(frame_id, captured_at),
            captured_at=captured_at,
            captured_s=0.0,  # its place in the index says when
            width=0,
            height=0,
            size=self.files.path(frame_id).stat().st_size,
            sha256="",
        )


def captured_at_of(frame_id: str) -> datetime | None:
    """Read when a frame was taken off its id, to the millisecond; None: it is no UUIDv7."""
    try:
        found = UUID(frame_id)
    except ValueError:
        return None
    if found.version != 7 or str(found) != frame_id:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=found.int >> 80)
    except OverflowError:
        return None


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Have *folder* to ourselves; the system takes the lock back from a process that is killed."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            owner = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            raise ConfigError(
                f"{folder}: another agent has this spool, process {owner}; stop it, or give each "
                "agent a [spool] folder of its own"
            ) from err
        with contextlib.suppress(OSError):  # a full disk has no room for a number; it locks
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)
