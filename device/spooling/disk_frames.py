"""The frames in one folder: which wait, which are taken, and what of it is not written yet."""

import contextlib
import hashlib
import logging
from dataclasses import dataclass, replace

from device.spooling import jpeg_header
from device.spooling.folder import SpoolFolder
from device.spooling.rows import Change, Entry
from device.spooling.spool import SpooledFrame, State

log = logging.getLogger(__name__)

EXPIRED_AT_ONCE = 500  # so that nobody waits long for their turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much may wait; beside it there is what has been taken."""

    max_frames: int
    max_bytes: int
    max_age_s: float


class DiskFrames:
    """Methods raise `OSError` and `sqlite3.Error`, and then have changed nothing on disk.

    Threads take turns, but in `write` and `load`, which are slow.
    """

    def __init__(self, folder: SpoolFolder, bounds: Bounds) -> None:
        """Go on with what is in *folder*."""
        self.folder = folder
        self.taken: dict[str, Entry] = {}  # by id
        self.resting: dict[int, float] = {}  # until when, by place in the index
        self.dropped: list[str] = [""] * folder.lost  # ids, and not told of
        self.count = 0  # not answered
        self._size = 0  # bytes of those that are not uploaded
        self._bounds = bounds
        self._unsaved = Change()
        for entry in folder.index.all():
            self.count += 1
            self._size += _file_size(entry.frame)

    def write(self, frame: SpooledFrame) -> None:
        """Write a frame's file. `add` is to follow, or `unwrite`."""
        self.folder.files.write(frame.frame_id, frame.jpeg)

    def unwrite(self, frame: SpooledFrame) -> None:
        """Remove the file of a frame that could not be added."""
        with contextlib.suppress(OSError):
            self.folder.files.remove(frame.frame_id)

    def add(self, frame: SpooledFrame) -> None:
        """Keep a frame whose file is written; commit that, and all there is to commit."""
        self._make_room(frame)
        index = self.folder.index
        entry = Entry(index.free_place(frame.captured_s), replace(frame, jpeg=b""))
        self._unsaved.added = [entry]
        try:
            self.save()
        finally:
            self._unsaved.added = []
        self.count += 1
        self._size += frame.size

    def rest(self, frame_id: str, until_s: float) -> None:
        """Let a frame that was taken wait, and not be the newest before *until_s*."""
        entry = self.taken.pop(frame_id, None)
        if entry is not None:
            self.resting[entry.at_us] = until_s

    def newest(self, since_s: float, now_s: float) -> Entry | None:
        """Give the newest frame that waits, without its JPEG, if it was not taken before that."""
        if self.count <= len(self.taken):
            return None
        index = self.folder.index
        for at_us in [each for each, until_s in self.resting.items() if until_s <= now_s]:
            del self.resting[at_us]
        without = self._not_waiting() | self.resting.keys()
        entry = index.newest(without, index.place(since_s))
        return None if entry is None else self._as_marked(entry)

    def load(self, frame: SpooledFrame) -> SpooledFrame | None:
        """Give a taken frame with its JPEG; None: its file is damaged, or gone."""
        if frame.state != "captured":
            return frame
        try:
            data = self.folder.files.read(frame.frame_id)
        except OSError as err:
            log.warning("frame %s cannot be read: %s", frame.frame_id, err.strerror or err)
            return None
        found = hashlib.sha256(data).hexdigest()
        size = (frame.width, frame.height)
        if not frame.sha256:  # taken up without its row
            size = jpeg_header.size(data) or (0, 0)
        if not all(size) or len(data) != frame.size or found != (frame.sha256 or found):
            log.warning("frame %s: its file is damaged", frame.frame_id)
            return None
        return replace(frame, jpeg=data, sha256=found, width=size[0], height=size[1])

    def find(self, frame_id: str) -> Entry | None:
        """Give a frame by its id, without its JPEG."""
        if (taken := self.taken.get(frame_id)) is not None:
            return taken
        entry = self.folder.index.find(frame_id) if self.count else None
        if entry is None or self._unsaved.gone(entry.at_us):
            return None
        return self._as_marked(entry)

    def mark(self, entry: Entry, state: State) -> SpooledFrame:
        """Note how far a frame has come; `save` is to follow for one that is answered."""
        old = entry.frame
        frame = replace(old, state=state, attempts=old.attempts + (state == "published"))
        self._size += _file_size(frame) - _file_size(old)
        if state == "answered":
            self.count -= 1
            self.taken.pop(frame.frame_id, None)
            self.resting.pop(entry.at_us, None)
            self._unsaved.marked.pop(entry.at_us, None)
            self._unsaved.answered[entry.at_us] = frame.frame_id
        else:
            self._unsaved.marked[entry.at_us] = frame
            if frame.frame_id in self.taken:
                self.taken[frame.frame_id] = Entry(entry.at_us, frame)
        return frame

    def hear(self, frame_id: str) -> None:
        """Note that a frame was answered that has no row (any more); `save` is to follow."""
        if frame_id not in self._unsaved.heard and not self.folder.index.is_answered(frame_id):
            self._unsaved.heard.append(frame_id)

    def drop(self, entry: Entry, *, counted: bool = True) -> int:
        """Drop a frame with the next `save`; give the bytes of disk that this freed.

        Its file goes first: a row without its file counts as dropped, however we end.
        """
        with contextlib.suppress(OSError):
            self.folder.files.remove(entry.frame.frame_id)
        self.taken.pop(entry.frame.frame_id, None)
        self.resting.pop(entry.at_us, None)
        self._unsaved.marked.pop(entry.at_us, None)
        (self._unsaved.dropped if counted else self._unsaved.removed).add(entry.at_us)
        self.count -= 1
        self._size -= _file_size(entry.frame)
        return _file_size(entry.frame)

    def free(self, size: int) -> bool:
        """Drop the oldest frames that wait, to free *size* bytes of disk; False: none waits."""
        freed = 0
        while freed < size and (entry := self._oldest()) is not None:
            self.dropped.append(entry.frame.frame_id)
            freed += self.drop(entry)
        return freed > 0

    def expire(self, now_s: float) -> None:
        """Drop the frames that have waited too long."""
        oldest_us = self.folder.index.place(now_s - self._bounds.max_age_s)
        for _ in range(EXPIRED_AT_ONCE):
            entry = self._oldest()
            if entry is None or entry.at_us >= oldest_us:
                return
            self.dropped.append(entry.frame.frame_id)
            self.drop(entry)

    def lose(self, count: int, *, told: int = 0) -> None:
        """Count frames whose rows are lost as dropped, with the next `save`; some were told of."""
        self.dropped += [""] * count
        self._unsaved.lost += count + told

    def uncounted(self) -> int:
        """Tell how many drops are not in the index yet."""
        return len(self._unsaved.dropped) + self._unsaved.lost

    def save(self) -> None:
        """Commit all changes; then the files of frames that are in the bucket can go."""
        change = self._unsaved
        if not change:
            return
        self.folder.index.write(change)
        self._unsaved = Change()
        finished = {*change.answered.values(), *(f.frame_id for f in change.marked.values())}
        for frame_id in finished:
            with contextlib.suppress(OSError):  # the next start removes it
                self.folder.files.remove(frame_id)

    def _make_room(self, frame: SpooledFrame) -> None:
        """Drop the oldest frames that wait, until *frame* fits in or nothing else waits."""
        waiting = self.count - len(self.taken)
        size = self._size - sum(_file_size(each.frame) for each in self.taken.values())
        size += frame.size
        while waiting >= self._bounds.max_frames or size > self._bounds.max_bytes:
            entry = self._oldest() if waiting else None
            if entry is None:
                return
            self.dropped.append(entry.frame.frame_id)
            waiting -= 1
            size -= self.drop(entry)

    def _oldest(self) -> Entry | None:
        entry = self.folder.index.oldest(self._not_waiting())
        return None if entry is None else self._as_marked(entry)

    def _as_marked(self, entry: Entry) -> Entry:
        marked = self._unsaved.marked.get(entry.at_us)
        return entry if marked is None else Entry(entry.at_us, marked)

    def _not_waiting(self) -> set[int]:
        unsaved = self._unsaved
        taken = {entry.at_us for entry in self.taken.values()}
        return taken | unsaved.answered.keys() | unsaved.dropped | unsaved.removed


def _file_size(frame: SpooledFrame) -> int:
    return frame.size if frame.state == "captured" else 0
