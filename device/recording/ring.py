"""The segments on this disk: a folder that keeps within its bounds by removing the oldest.

A segment is kept from when it is finished: whole, synced, and under its own name. What is left of
one by a process that was killed, or a power cut, is put right by these rules when the ring is
opened:

| there is                                  | then it is                                           |
|-------------------------------------------|------------------------------------------------------|
| `<id>.part` from which frames can be read | finished: a segment that ends where the file was cut |
| `<id>.part` of which nothing can be read  | removed                                              |
| `<id>.upload` without its segment         | removed                                              |
| a file that has no segment's name         | somebody else's: left alone, and not counted         |

**Old and new** go by the order in which segments were finished, and not by the time of day, which
on a Pi may jump back by a month. While a process runs it knows that order. For the next one it is
in the files' times of modification, which are made to grow from each to the next, whatever the
clock says: a file's is the clock's, or a moment after the newest one's if that is later. A power
cut may take the last few of these back to the clock's own.

A segment's id, and the day in its key, are what the clock showed when it began; neither is
corrected later, for the references of its frames have the id. While the clock is not set the status
says so, and each reference has its frame's time, corrected, beside its segment's id.
"""

import contextlib
import errno
import fcntl
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

from device.clock import utc_now
from device.recording.segment_store import NOTES
from device.spooling.folder import captured_at_of
from sightline.errors import ConfigError

log = logging.getLogger(__name__)

FINISHED, UNFINISHED, LOCK = ".mp4", ".part", "lock"
_SALVAGED = ".salvaged"
_STEP_NS = 1_000_000  # ext4 and others tell so fine


class Ring:
    """Safe from any thread; who writes a segment and who uploads them may be two."""

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        keep_free_bytes: int = 0,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
        on_dropped: Callable[[int], None] = lambda _: None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Keep segments in *folder*, *max_bytes* at most; see `open`.

        Args:
            keep_free_bytes: So much of the disk is left to others.
            on_dropped: Hears how many segments were removed for newer ones.
        """
        self.folder = folder
        self._max_bytes, self._keep_free_bytes = max_bytes, keep_free_bytes
        self._free_bytes = free_bytes
        self._on_dropped = on_dropped
        self._now = now
        self._sizes: dict[str, int] = {}  # of what is finished, by id; the oldest first
        self._newest_ns = 0  # the largest time of modification there is
        self._taken: str | None = None
        self._changed = threading.Condition()
        self._resources = contextlib.ExitStack()
        self._is_open = False

    def open(self) -> None:
        """Go on with what is in the folder, which is made if it is not there, and put it right.

        Raises:
            ConfigError: Another process has it.
            OSError: It cannot be made or read.
        """
        if self._is_open:
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.ExitStack() as resources:
            resources.enter_context(_locked(self.folder))
            self._order(self.folder.glob(f"*{FINISHED}"))
            for unfinished in sorted(self.folder.glob(f"*{UNFINISHED}"), key=_modified_ns):
                self._put_right(unfinished)
            for upload in self.folder.glob(f"*{NOTES}"):
                if not upload.with_suffix(FINISHED).exists():
                    upload.unlink(missing_ok=True)
            found = self._order(self.folder.glob(f"*{FINISHED}"))
            with self._changed:
                self._sizes = {each.stem: each.stat().st_size for each in found}
                self._changed.notify_all()
            self._resources = resources.pop_all()
        self._is_open = True

    def close(self) -> None:
        """Let go of the folder."""
        self._is_open = False
        self._resources.close()

    def begin(self, segment_id: str) -> Path:
        """Make room, and say where a segment is to be written.

        Raises:
            OSError: There is no room, whatever is removed; or the folder cannot be made.
        """
        self.open()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # somebody may have removed it
        self._make_room()
        if self._free_bytes(self.folder) < self._keep_free_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.folder / f"{segment_id}{UNFINISHED}"

    def finish(self, segment_id: str) -> None:
        """Keep what has been written, and remove the oldest to stay within bounds.

        It waits for the disk; nothing else here does.

        Raises:
            OSError: It cannot be synced, or given its name.
        """
        unfinished = self.folder / f"{segment_id}{UNFINISHED}"
        size = unfinished.stat().st_size
        _sync(unfinished)
        self._stamp(unfinished)
        unfinished.rename(self.path(segment_id))
        with self._changed:
            self._sizes.pop(segment_id, None)  # so that it is the last
            self._sizes[segment_id] = size
            self._changed.notify_all()
        self._make_room()

    def discard(self, segment_id: str) -> None:
        """Remove what was written of a segment that cannot be finished. It never raises."""
        with contextlib.suppress(OSError):
            (self.folder / f"{segment_id}{UNFINISHED}").unlink()

    def take(self, timeout_s: float) -> str | None:
        """Give the oldest segment, which then is not removed for another; None: none in time.

        One at a time: until it is `remove`d or `release`d, nobody takes another.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._sizes and self._taken is None, timeout_s)
            if not self._sizes or self._taken is not None:
                return None
            self._taken = next(iter(self._sizes))
            return self._taken

    def release(self, segment_id: str) -> None:
        """Keep a segment that was taken."""
        with self._changed:
            if self._taken == segment_id:
                self._taken = None
            self._changed.notify_all()

    def remove(self, segment_id: str) -> None:
        """Remove a segment: it is somewhere else now. It never raises."""
        with self._changed:
            self._sizes.pop(segment_id, None)
        for path in (self.path(segment_id), self.path(segment_id).with_suffix(NOTES)):
            try:
                path.unlink(missing_ok=True)
            except OSError as err:
                log.warning("%s cannot be removed: %s", path, err.strerror or err)
        self.release(segment_id)

    def path(self, segment_id: str) -> Path:
        """Tell where a finished segment lies."""
        return self.folder / f"{segment_id}{FINISHED}"

    def ids(self) -> tuple[str, ...]:
        """Name all finished segments, the oldest first."""
        with self._changed:
            return tuple(self._sizes)

    def _make_room(self) -> None:
        dropped = 0
        while (oldest := self._surplus()) is not None:
            self.remove(oldest)
            dropped += 1
        if dropped:
            self._on_dropped(dropped)

    def _surplus(self) -> str | None:
        """Name the segment to remove next; None: nothing need be, or can be."""
        with self._changed:
            oldest = next((each for each in self._sizes if each != self._taken), None)
            over = sum(self._sizes.values()) > self._max_bytes
        if oldest is None:
            return None
        over = over or self._free_bytes(self.folder) < self._keep_free_bytes
        return oldest if over else None

    def _order(self, files: Iterable[Path]) -> list[Path]:
        """Sort the segments among *files*, the oldest first, and know the newest."""
        found = [each for each in files if captured_at_of(each.stem)]
        found.sort(key=lambda each: (_modified_ns(each), each.stem))
        if found:
            self._newest_ns = max(self._newest_ns, _modified_ns(found[-1]))
        return found

    def _stamp(self, file: Path) -> None:
        """Have *file* known as the newest, by the next process, too."""
        self._newest_ns = max(round(self._now().timestamp() * 1e9), self._newest_ns + _STEP_NS)
        with contextlib.suppress(OSError):  # it is the newest to this process all the same
            os.utime(file, ns=(self._newest_ns, self._newest_ns))

    def _put_right(self, unfinished: Path) -> None:
        if captured_at_of(unfinished.stem) is None:
            return
        # Here, since whoever records nothing need not have the package that it needs.
        from device.recording.salvage import salvage

        salvaged = unfinished.with_suffix(_SALVAGED)
        salvaged.unlink(missing_ok=True)
        try:
            readable = salvage(unfinished, salvaged)
        except OSError as err:  # the disk is full, say: the rest of it is not to block the start
            log.warning("%s could not be finished: %s", unfinished, err.strerror or err)
            return
        if readable:
            _sync(salvaged)
            self._stamp(salvaged)
            salvaged.rename(unfinished.with_suffix(FINISHED))
            log.warning("%s was cut off: it ends where it could be read to", unfinished.stem)
        unfinished.unlink(missing_ok=True)


def _sync(file: Path) -> None:
    """Return once *file*, which nobody writes any more, is on the disk."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _modified_ns(file: Path) -> int:
    return file.stat().st_mtime_ns


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Have *folder* to ourselves; the system takes the lock back from a process that is killed."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise ConfigError(
                f"{folder}: another agent records there; stop it, or give each agent a [recording] "
                "folder of its own"
            ) from err
        yield
    finally:
        os.close(descriptor)
