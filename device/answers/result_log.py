"""A log of results that stays: a line of JSON each, in files that are rotated by size.

It names people, with their records, so its files are for the agent's own user alone (600), and only
as many are kept as the settings say; who deletes a person has to delete it here, too.

A result counts as delivered to the broker once its line is written. A process that is killed loses
none: what has no line comes again, and what has one is known by it. A power cut may cost the last
seconds of lines, which the cloud keeps; to sync each would wear the card more than the frames do.

While the disk takes no line, lines wait in memory, and are written in their order when it does
again. Their results are acknowledged all the same: the broker would hold back what is not, from 100
on, and with it every other result. So a process that is killed meanwhile loses them here; the cloud
has them. That holds from the start where nobody sees the agent end: to end for a disk that has
become read-only would be to end again and again.
"""

import contextlib
import logging
import os
import re
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self

from device.answers.lines import machine_line
from device.answers.results import REMEMBERED, Outcome
from device.spooling.disk_trouble import said
from sightline.errors import ConfigError

log = logging.getLogger(__name__)

WAITING = 2000  # lines that the disk does not take: 2 MB; then the oldest go
TAIL_BYTES = 2_000_000  # of the log that is read at the start, for the ids in it

_ID = re.compile(rb'"frame_id": "([^"\\]{1,128})"')


class ResultLog:
    """Appends each result to *path*; `path.1` is the one before, and so on. One thread's."""

    def __init__(self, path: Path, *, max_bytes: int, files: int, unattended: bool = False) -> None:
        """Open *path*, made if it is not there, and its folder with it.

        Args:
            max_bytes: Of a file; one that would be larger is put aside.
            files: So many are kept, the one that is written included.
            unattended: If it cannot be written, lines wait as they do later on.

        Raises:
            ConfigError: It cannot be written; not if `unattended`.
        """
        self._path = path
        self._max_bytes = max_bytes
        self._files = files
        self._descriptor = -1
        self._trouble: str | None = None
        self._waiting: deque[tuple[str | None, bytes]] = deque()  # of which frame, and the line
        self._lost = 0
        try:
            self._open()
        except OSError as err:
            if not unattended:
                raise ConfigError(
                    f"[results] log {path}: cannot be written: {said(err)}; give a file in a "
                    "folder that the agent's user may write to"
                ) from err
            self._fail(err)
        self._logged = dict.fromkeys(self._read_ids())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._write_waiting()
        self._close()
        if self._waiting:
            log.warning("%d results were not logged: %s", len(self._waiting), self._trouble)

    def ids(self) -> tuple[str, ...]:
        """Give the ids of the frames whose results are in it, as far as they were read."""
        return tuple(self._logged)

    def trouble(self) -> str | None:
        """Say why results are not written; None: they are. From any thread."""
        return self._trouble

    def result(self, outcome: Outcome) -> None:
        """Write one result, unless it came before and is in here."""
        frame_id = outcome.message.frame_id
        if frame_id is not None and frame_id in self._logged:
            return
        line = machine_line(outcome).encode(errors="replace") + b"\n"
        self._waiting.append((frame_id, line))
        if frame_id is not None:
            self._logged[frame_id] = None
            if len(self._logged) > REMEMBERED:
                del self._logged[next(iter(self._logged))]
        self._write_waiting()
        if len(self._waiting) > WAITING:
            self._lost += 1
            lost, _ = self._waiting.popleft()
            if lost is not None:
                self._logged.pop(lost, None)

    def _write_waiting(self) -> None:
        if not self._waiting:
            return
        written = 0
        try:
            while self._waiting:
                self._write(self._waiting[0][1])
                self._waiting.popleft()
                written += 1
        except OSError as err:  # recognition goes on without; it is tried again with the next
            self._fail(err)
            return
        if self._trouble is not None:
            log.warning(
                "results are logged again: %d that waited, and %d are lost", written, self._lost
            )
            self._trouble, self._lost = None, 0

    def _fail(self, err: OSError) -> None:
        self._close()
        trouble = f"results are not logged: {self._path}: {said(err)}"
        if trouble != self._trouble:
            log.warning("%s; they wait in memory", trouble)
        self._trouble = trouble

    def _write(self, line: bytes) -> None:
        if self._descriptor < 0 or self._is_gone():
            self._open()
        size = os.fstat(self._descriptor).st_size
        if size and size + len(line) > self._max_bytes:
            self._rotate()
            size = 0
        while line:  # a disk that is nearly full takes a part of it
            try:
                line = line[os.write(self._descriptor, line) :]
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, size)  # half a line helps nobody
                raise

    def _open(self) -> None:
        self._close()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o600)
        os.fchmod(self._descriptor, 0o600)  # whatever the umask, and whoever made it
        size = os.fstat(self._descriptor).st_size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            os.write(self._descriptor, b"\n")  # the power went in the middle of a line

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _is_gone(self) -> bool:
        """Tell whether somebody has moved or deleted the file, as logrotate does."""
        try:
            here, there = os.fstat(self._descriptor), self._path.stat(follow_symlinks=False)
        except FileNotFoundError:
            return True
        return (here.st_ino, here.st_dev) != (there.st_ino, there.st_dev)

    def _rotate(self) -> None:
        self._close()
        self._numbered(self._files - 1).unlink(missing_ok=True)
        for number in range(self._files - 2, -1, -1):
            with contextlib.suppress(FileNotFoundError):
                self._numbered(number).rename(self._numbered(number + 1))
        self._open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path

    def _read_ids(self) -> list[str]:
        found: list[str] = []
        left = TAIL_BYTES
        for number in range(min(2, self._files)):  # after a rotation the newest lines are in both
            try:
                with self._numbered(number).open("rb") as file:
                    size = file.seek(0, os.SEEK_END)
                    file.seek(max(0, size - left))
                    data = file.read(left)
            except OSError:
                break
            left -= len(data)
            # Each line names its frame first; what a result says of itself comes after.
            matches = (_ID.search(line) for line in data.splitlines())
            found[:0] = [each[1].decode("ascii", "replace") for each in matches if each]
        return found[-REMEMBERED:]
