"""A spool on disk: what is in it outlasts the process, and the power.

**The promise.** A frame is promised once `put` has returned while there is no `trouble`: its JPEG
is on the disk (written under another name, flushed, renamed, the folder flushed) and its row is
committed. From then on it is answered, or dropped by the bounds in bytes, frames and age, and
counted; the count is in the index, so it outlasts the process, too. A process that is killed loses
at most the frame that was being put. A power cut may take back rows that were not on the disk yet:
frames without a row are taken up again (`device.spooling.folder` has the rules), and what was
marked in the last half minute is done once more.

**Twice does no harm.** How far a frame has come is written along with the next frame, not for
itself: who is killed between the broker's acknowledgement and the mark sends the frame again. The
bucket keeps the first upload of a key, and the cloud answers an id once: its second reference gets
the first result, as a repeat. That a frame is answered is committed before `mark` returns; so who
tells of a result after that tells of it at most once, whenever he is killed.

**Age** is counted while an agent runs, or at least the machine does. Hours without power do not
count: a Pi has no clock to count them with, and what it thinks the time is may jump by days.

**Trouble.** When the disk is full, read-only, broken or gone, frames are kept in memory, as many as
fit there, and the disk is tried again at intervals. What can be mended is: a damaged index is set
aside and made anew, a folder that was removed is made anew, on a full disk the oldest frames make
room for new ones. An index is damaged when SQLite says so, or when a row or a number in it makes no
sense; the files stay what they were, and what was counted is counted on.
"""

import errno
import logging
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from device.spooling.disk_frames import Bounds, DiskFrames
from device.spooling.disk_trouble import TROUBLE
from device.spooling.folder import KeyOf
from device.spooling.memory_spool import MemorySpool
from device.spooling.spool import ALL, SpooledFrame, State
from device.spooling.tended_frames import TendedFrames
from sightline.errors import ConfigError

log = logging.getLogger(__name__)

SWEEP_S = 1.0


class DiskSpool:
    """See `device.spooling.spool.Spool`. Open until `close`, or to the end of a `with`."""

    def __init__(
        self,
        folder: Path,
        key_of: KeyOf,
        bounds: Bounds,
        memory: MemorySpool,
        *,
        boot: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the spool in *folder*, which is made if it is not there.

        Args:
            key_of: Gives the key of a frame that is taken up without its row.
            memory: Where frames go while the disk does not take them.
            boot: Names this run of the machine; None: found out.
            clock: That of `SpooledFrame.captured_s`.

        Raises:
            ConfigError: Another process has it.
        """
        self._path = folder
        self._memory = memory
        self._clock = clock
        self._changed = threading.Condition(threading.RLock())
        self._disk = TendedFrames(folder, key_of, bounds, memory, boot or _boot(), clock)
        self._sweep_at_s = -math.inf
        self._answered: tuple[str, ...] = ()
        self._dropped_before = 0
        try:
            frames = self._disk.open()
            self._answered = frames.folder.index.answered()
            # But for those that were found to be lost now, which are told of by `sweep`.
            self._dropped_before = frames.folder.index.dropped() - len(frames.dropped)
        except TROUBLE as err:
            self._disk.fail(err)
        else:
            if frames.count:
                log.info("%s: %d frames wait from before", folder, frames.count)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def put(self, frame: SpooledFrame) -> tuple[str, ...]:
        """See `Spool.put`."""
        dropped = () if self._put_on_disk(frame) else self._memory.put(frame)
        with self._changed:
            self._changed.notify_all()
            return (*dropped, *self._disk.told())

    def take(self, timeout_s: float, since_s: float = ALL) -> SpooledFrame | None:
        """See `Spool.take`."""
        until_s = time.monotonic() + timeout_s
        while True:
            with self._changed:
                while (frame := self._take_newest(since_s)) is None:
                    if not self._changed.wait(max(0.0, until_s - time.monotonic())):
                        return None
                frames = self._disk.frames
            if frame.jpeg or frame.state != "captured":
                return frame
            loaded = None if frames is None else frames.load(frame)
            if loaded is not None:
                return loaded
            self._drop(frame.frame_id)

    def mark(self, frame_id: str, state: State) -> SpooledFrame | None:
        """See `Spool.mark`; that a frame is answered is committed when it returns."""
        in_memory = self._memory.mark(frame_id, state)
        with self._changed:
            entry = self._disk.attempt(lambda frames: frames.find(frame_id))
            frames = self._disk.frames  # only now: the folder may have been opened anew
            marked = frames.mark(entry, state) if entry and frames else None
            if state == "answered":
                if marked is None:  # its result was under way when it was dropped, or is a stranger
                    self._disk.attempt(lambda frames: frames.hear(frame_id))
                self._disk.attempt(DiskFrames.save)
            return in_memory or marked

    def release(self, frame_id: str) -> None:
        """See `Spool.release`."""
        self._memory.release(frame_id)
        with self._changed:
            if self._disk.frames is not None:
                self._disk.frames.taken.pop(frame_id, None)
            self._changed.notify_all()

    def rest(self, frame_id: str, until_s: float) -> None:
        """See `Spool.rest`."""
        self._memory.rest(frame_id, until_s)
        with self._changed:
            if self._disk.frames is not None:
                self._disk.frames.rest(frame_id, until_s)

    def wake(self) -> None:
        """See `Spool.wake`."""
        self._memory.wake()
        with self._changed:
            if self._disk.frames is not None:
                self._disk.frames.resting.clear()
            self._changed.notify_all()

    def sweep(self) -> tuple[str, ...]:
        """See `Spool.sweep`. It also commits what nothing else has committed since."""
        with self._changed:
            now_s = self._clock()
            if now_s >= self._sweep_at_s:
                self._sweep_at_s = now_s + SWEEP_S
                self._disk.untold += self._memory.sweep()
                self._disk.try_again()
                self._disk.attempt(lambda frames: frames.expire(now_s))
                self._disk.attempt(DiskFrames.save)
            return self._disk.told()

    def depth(self) -> int:
        """See `Spool.depth`."""
        with self._changed:
            on_disk = 0 if self._disk.frames is None else self._disk.frames.count
            return on_disk + self._memory.depth()

    def answered(self) -> tuple[str, ...]:
        """See `Spool.answered`."""
        return self._answered

    def dropped_before(self) -> int:
        """See `Spool.dropped_before`."""
        return self._dropped_before

    def trouble(self) -> str | None:
        """See `Spool.trouble`."""
        with self._changed:
            return self._disk.said()

    def dropped(self) -> int:
        """Count the frames on disk that were ever dropped, as far as known."""
        with self._changed:
            return self._disk.attempt(lambda frames: frames.folder.index.dropped()) or 0

    def close(self) -> None:
        """Write what is not written yet, and let go of the folder; frames go to memory from now."""
        with self._changed:
            if self._disk.frames is not None and self._disk.frames.count:
                log.info("%s keeps %d frames for later", self._path, self._disk.frames.count)
            self._disk.close()

    def _put_on_disk(self, frame: SpooledFrame) -> bool:
        """Keep a frame on disk, mending once what can be mended; False: it does not take it."""
        with self._changed:
            if not self._disk.usable():
                return False
        for may_mend in (True, False):
            try:
                self._write(frame)
            except (*TROUBLE, ConfigError) as err:
                with self._changed:
                    if not (may_mend and self._disk.mend(err, frame.size)):
                        self._disk.fail(err)
                        return False
            else:
                with self._changed:
                    self._disk.works()
                return True
        return False

    def _write(self, frame: SpooledFrame) -> None:
        with self._changed:
            frames = self._disk.open()
            if frames.folder.is_gone():
                raise FileNotFoundError(errno.ENOENT, "somebody has removed it", str(self._path))
        frames.write(frame)  # what takes long, while others go on
        try:
            with self._changed:
                if self._disk.frames is not frames:  # another thread mended something meanwhile
                    frames = self._disk.open()
                    if frames.find(frame.frame_id) is not None:  # and the file was taken up
                        return
                frames.add(frame)
        except TROUBLE:
            frames.unwrite(frame)
            raise

    def _take_newest(self, since_s: float) -> SpooledFrame | None:
        """Take the newest frame; one from the disk is without its JPEG yet."""
        entry = self._disk.attempt(lambda frames: frames.newest(since_s, self._clock()))
        on_disk_s = -math.inf if entry is None else entry.frame.captured_s
        if self._memory.newest_s() > on_disk_s:
            return self._memory.take(0, since_s)
        if entry is None or self._disk.frames is None:
            return None
        self._disk.frames.taken[entry.frame.frame_id] = entry
        return entry.frame

    def _drop(self, frame_id: str) -> None:
        """Drop a frame, wherever it is."""
        self._memory.forget(frame_id)
        with self._changed:
            entry = self._disk.attempt(lambda frames: frames.find(frame_id))
            frames = self._disk.frames
            if entry is None or frames is None:
                return
            frames.drop(entry)
            self._disk.untold.append(frame_id)
            self._disk.attempt(DiskFrames.save)


def _boot() -> str:
    """Name this run of the machine; where it has no name, each process has a machine of its own."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(uuid4())
