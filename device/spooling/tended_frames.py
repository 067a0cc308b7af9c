"""The frames in a folder, through all that a disk does to them in a year."""

import contextlib
import errno
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from device.spooling import disk_trouble
from device.spooling.disk_frames import Bounds, DiskFrames
from device.spooling.disk_trouble import TROUBLE
from device.spooling.folder import KeyOf, SpoolFolder
from device.spooling.memory_spool import MemorySpool
from device.spooling.remains import remains_of
from sightline.errors import ConfigError

log = logging.getLogger(__name__)

RETRY_S = 30.0  # from one attempt to use the disk again to the next
FULL_S = 60.0  # for so long after a full disk was last met, it is told of

T = TypeVar("T")


class TendedFrames:
    """Opens the folder, mends what can be mended, and closes what cannot. Threads take turns.

    Attributes:
        frames: What is on disk; None: the folder is closed, because of trouble or for good.
        trouble: Why frames are kept in memory; None: they are not.
        untold: Ids of dropped frames that nobody was told of.
    """

    def __init__(
        self,
        folder: Path,
        key_of: KeyOf,
        bounds: Bounds,
        memory: MemorySpool,
        boot: str,
        clock: Callable[[], float],
    ) -> None:
        """Prepare to open *folder*; see `DiskSpool`."""
        self.frames: DiskFrames | None = None
        self.trouble: str | None = None
        self.untold: list[str] = []
        self._path, self._key_of, self._bounds, self._memory = folder, key_of, bounds, memory
        self._boot, self._clock = boot, clock
        self._adrift: list[str] = []  # ids of frames that were taken when the folder was closed
        self._waited = 0  # how many others there were then
        self._retry_at_s = self._full_at_s = -1e18
        self._counted: int | None = None  # drops that were, when it was closed; None: not known
        self._suspect = False  # the index is to be examined: opened anew
        self._closed = False

    def attempt(self, work: Callable[[DiskFrames], T]) -> T | None:
        """Do *work* with the frames on disk; None: there is trouble with them."""
        for may_mend in (True, False):
            if self.frames is None:
                break
            try:
                return work(self.frames)
            except TROUBLE as err:
                if not (may_mend and self.mend(err, 0)):
                    self.fail(err)
                    break
        return None

    def open(self) -> DiskFrames:
        """Give the frames on disk; the folder is opened if it is closed.

        Raises:
            ConfigError: Another process has it.
            OSError: There is trouble.
            sqlite3.Error: Likewise.
        """
        if self.frames is not None and not self._suspect:
            return self.frames
        if self._closed:
            raise OSError(errno.EBADF, "the spool is closed", str(self._path))
        if self.frames is not None:
            self.frames.folder.files.probe()  # on a disk that is read-only, it is all we can read
            self._let_go()
        folder = SpoolFolder(self._path, self._key_of, boot=self._boot, now_s=self._clock())
        try:
            frames = DiskFrames(folder, self._bounds)
            for frame_id in self._adrift:  # memory has them, or nobody has
                if (entry := frames.find(frame_id)) is not None:
                    frames.drop(entry, counted=False)
            self._carry_over(frames)
            frames.save()
        except BaseException:
            folder.close()
            raise
        self.frames, self._suspect = frames, False
        self._adrift, self._waited, self._counted = [], 0, 0
        return frames

    def _carry_over(self, frames: DiskFrames) -> None:
        """Have counted what is lost with an index that was set aside, or removed."""
        folder = frames.folder
        if self._counted is not None:
            lost = max(0, self._waited - frames.count - folder.lost)
            frames.lose(lost, told=max(0, self._counted - folder.index.dropped()))
        elif folder.broken is not None:  # by a process before this one
            remains = remains_of(folder.broken, {*folder.files.ids()})
            frames.lose(remains.lost, told=remains.dropped)
            for frame_id in remains.answered:
                frames.hear(frame_id)

    def _let_go(self) -> None:
        """Close the folder; what was taken of it goes on in memory."""
        frames, self.frames = self.frames, None
        if frames is None:
            return
        with contextlib.suppress(*TROUBLE):
            frames.save()
        self._counted = frames.folder.index.dropped() + frames.uncounted()
        self.untold += frames.dropped
        self._waited = frames.count - len(frames.taken)
        self._adrift = list(frames.taken)
        for entry in frames.taken.values():
            whole = None if self._closed else frames.load(entry.frame)
            if whole is not None:
                self._memory.adopt(whole)
        frames.folder.close()

    def mend(self, err: Exception, size: int) -> bool:
        """Do something about *err*; True: it may work now."""
        frames = self.frames
        if frames is None or self._closed:
            return False
        try:
            if disk_trouble.is_full(err):
                return self._free(frames, 2 * size)
            damaged = disk_trouble.is_damaged(err)
            if not damaged and not frames.folder.is_gone():
                return False
            log.warning("%s: %s", self._path, disk_trouble.said(err))
            self._let_go()
            if damaged:
                frames.folder.set_aside()
            self.open()
        except (*TROUBLE, ConfigError) as worse:
            log.warning("%s cannot be mended: %s", self._path, disk_trouble.said(worse))
            return False
        return True

    def _free(self, frames: DiskFrames, size: int) -> bool:
        if not size or not frames.free(size):
            return False
        if self._clock() - self._full_at_s >= FULL_S:
            log.warning("%s: the disk is full; the oldest frames make room", self._path)
        self._full_at_s = self._clock()
        return True

    def try_again(self) -> None:
        """Open what is closed because of trouble, when it is time to."""
        now_s = self._clock()
        closed = self.frames is None or self._suspect
        if closed and self.trouble is not None and now_s >= self._retry_at_s:
            try:
                self.open()
            except (*TROUBLE, ConfigError) as err:
                self.fail(err)
            else:
                self.works()

    def fail(self, err: Exception) -> None:
        """Have frames kept in memory for now, because of *err*."""
        if self._closed:
            return
        if self.trouble is None:
            self.trouble = f"frames are kept in memory: {self._path}: {disk_trouble.said(err)}"
            log.warning("%s; trying again every %.0f s", self.trouble, RETRY_S)
        if (now_s := self._clock()) >= self._retry_at_s:
            self._retry_at_s = now_s + RETRY_S
        if disk_trouble.needs_opening(err):
            self._suspect = True

    def works(self) -> None:
        """Have frames kept on disk: it takes them."""
        if self.trouble is not None:
            log.warning("frames are kept in %s again", self._path)
        self.trouble = None

    def usable(self) -> bool:
        """Tell whether the disk is to be tried with a new frame."""
        return not self._closed and (self.trouble is None or self._clock() >= self._retry_at_s)

    def said(self) -> str | None:
        """Say what the trouble is, be it over by a narrow squeak."""
        if self.trouble is None and self._clock() - self._full_at_s < FULL_S:
            return f"{self._path}: the disk is full; the oldest frames make room for new ones"
        return self.trouble

    def told(self) -> tuple[str, ...]:
        """Give what is untold, which is told thereby."""
        if self.frames is not None:
            self.untold += self.frames.dropped
            self.frames.dropped = []
        dropped, self.untold = tuple(self.untold), []
        return dropped

    def close(self) -> None:
        """Commit what is not committed yet, and close the folder for good."""
        self._closed = True
        self._let_go()
