"""How far each frame in a folder has come: one SQLite file, in WAL mode.

A commit is in the file system's hands, so it outlasts this process however that ends, and costs no
wait for the disk (`synchronous=NORMAL`). A power cut may take back the commits of the last half
minute; it leaves the file whole. Pages are small, as a commit writes each page that it touches.

Source: https://www.sqlite.org/wal.html; https://www.sqlite.org/pragma.html#pragma_synchronous
"""

import contextlib
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from device.spooling.disk_trouble import UnusableIndexError
from device.spooling.rows import (
    COLUMNS,
    DROPPED,
    MOST,
    PAGE_BYTES,
    SCHEMA,
    STATES,
    VERSION,
    Change,
    Entry,
    read_row,
    write_row,
)

REMEMBERED = 1024  # ids of answered frames; at two frames a second the last eight minutes
MARGIN_US = 1_000_000  # what was taken just before a session begins is newer than what is there
CHECKPOINT_PAGES = 4000  # the log is emptied into the file at that size: 2 MB


class SpoolIndex:
    """The file. It belongs to one process; threads take turns. Methods raise `sqlite3.Error`."""

    def __init__(self, path: Path) -> None:
        """Open *path*, or make it.

        Raises:
            sqlite3.DatabaseError: It is damaged, or of another version; see `is_damaged` and
                `is_odd` in `device.spooling.disk_trouble`.
            sqlite3.OperationalError: It cannot be opened, or not be written.
        """
        self._db = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
        self._db.text_factory = _text
        try:
            self._prepare()
            self._answers = _checked(self._one("SELECT coalesce(max(number), 0) FROM answered"))
            self._dropped = _checked(self._one(DROPPED) or 0)
        except UnicodeDecodeError as err:  # SQLite's own words, which quote what it found
            self._db.close()
            raise UnusableIndexError("its layout is damaged") from err
        except BaseException:
            self._db.close()
            raise
        file = path.stat()
        self._path, self._file = path, (file.st_dev, file.st_ino)
        self._session = self._boot_session = 0  # before `begin`: of frames that are taken up
        self._offset_us = 0

    def begin(self, boot: str, now_s: float) -> None:
        """Begin a session: what is there by now is `resumed`, and *now_s* is this moment.

        The spool's own clock goes on where it was when the last frame came, and never back: the
        time of day may jump, and the monotonic clock begins anew when the machine does.
        """
        facts = dict(self._db.execute("SELECT name, value FROM facts"))
        last_us = self._last_us()
        self._offset_us = _checked(facts.get("offset_us", 0), least=-MOST)
        self._session = _checked(facts.get("session", 0)) + 1
        self._boot_session = _checked(facts.get("boot_session", self._session))
        if facts.get("boot") != boot or self.place(now_s) < last_us:
            self._offset_us = last_us + MARGIN_US - round(now_s * 1e6)
            self._boot_session = self._session
        facts = {
            "boot": boot,
            "offset_us": self._offset_us,
            "session": self._session,
            "boot_session": self._boot_session,
        }
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())

    def place(self, captured_s: float) -> int:
        """Turn the monotonic clock of this process into the spool's own."""
        return round(max(captured_s, -1e12) * 1e6) + self._offset_us

    def free_place(self, captured_s: float | None) -> int:
        """Find a place that is free, at or just after *captured_s*; None: after all others."""
        at_us = self._last_us() + 1 if captured_s is None else self.place(captured_s)
        while self._db.execute("SELECT 1 FROM frames WHERE at_us = ?", (at_us,)).fetchone():
            at_us += 1
        return at_us

    def newest(self, without: Collection[int], since_us: int) -> Entry | None:
        """Give the newest frame that is none of *without*, if it is not from before *since_us*."""
        query = f"SELECT {COLUMNS} FROM frames WHERE at_us >= ? ORDER BY at_us DESC"  # noqa: S608
        return self._first(query, (since_us,), without)

    def oldest(self, without: Collection[int]) -> Entry | None:
        """Give the oldest frame that is none of *without*."""
        return self._first(f"SELECT {COLUMNS} FROM frames ORDER BY at_us", (), without)  # noqa: S608

    def find(self, frame_id: str) -> Entry | None:
        """Give a frame by its id."""
        query = f"SELECT {COLUMNS} FROM frames WHERE frame_id = ?"  # noqa: S608
        return self._first(query, (frame_id,), ())

    def all(self) -> Iterator[Entry]:
        """Give every frame, the oldest first."""
        for row in self._db.execute(f"SELECT {COLUMNS} FROM frames ORDER BY at_us"):  # noqa: S608
            yield self._entry(row)

    def answered(self) -> tuple[str, ...]:
        """Give the ids of the frames that were answered last, in that order."""
        found = self._db.execute("SELECT frame_id FROM answered ORDER BY number")
        return tuple(frame_id for (frame_id,) in found)

    def is_answered(self, frame_id: str) -> bool:
        """Tell whether it is among `answered`."""
        query = "SELECT 1 FROM answered WHERE frame_id = ?"
        return self._db.execute(query, (frame_id,)).fetchone() is not None

    def dropped(self) -> int:
        """Count the frames that were dropped, as far as the file tells."""
        return self._dropped

    def write(self, change: Change) -> None:
        """Do all of *change*, or nothing."""
        answers, count = self._answers, len(change.dropped) + change.lost
        with self._transaction():
            for at_us, frame in change.marked.items():
                self._db.execute(
                    "UPDATE frames SET state = ?, attempts = ? WHERE at_us = ?",
                    (STATES.index(frame.state), frame.attempts, at_us),
                )
            for frame_id in (*change.answered.values(), *change.heard):
                answers += 1
                self._db.execute(
                    "INSERT OR REPLACE INTO answered VALUES (?, ?, ?)",
                    (answers % REMEMBERED, answers, frame_id),
                )
            for at_us in (*change.answered, *change.dropped, *change.removed):
                self._db.execute("DELETE FROM frames WHERE at_us = ?", (at_us,))
            if count:
                self._db.execute(
                    "INSERT INTO facts VALUES ('dropped', ?)"
                    " ON CONFLICT DO UPDATE SET value = value + excluded.value",
                    (count,),
                )
            for entry in change.added:
                self._db.execute(
                    "INSERT INTO frames VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    write_row(entry, self._session),
                )
        self._answers = answers
        self._dropped += count

    def is_gone(self) -> bool:
        """Tell whether the file is not there any more: what is written then goes nowhere."""
        try:
            file = self._path.stat()
        except FileNotFoundError:
            return True
        return (file.st_dev, file.st_ino) != self._file

    def close(self) -> None:
        """Empty the log into the file, and let go of it."""
        with contextlib.suppress(sqlite3.Error):
            self._db.close()

    def _prepare(self) -> None:
        for pragma in (
            f"page_size = {PAGE_BYTES}",
            # Nobody else has it, so the log's own index need not be a file, whose cutting short
            # by somebody would end this process.
            "locking_mode = EXCLUSIVE",
            "journal_mode = WAL",
            "synchronous = NORMAL",
            f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
            "journal_size_limit = 4000000",
            "cache_size = -256",  # KiB
        ):
            self._db.execute(f"PRAGMA {pragma}")
        version = self._one("PRAGMA user_version")
        if version == 0 and not self._one("SELECT count(*) FROM sqlite_master"):
            self._db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
        elif version != VERSION:
            raise UnusableIndexError(f"its layout is {version}, and this agent's is {VERSION}")
        else:
            # `quick_check` takes half as long, but overlooks ids that are not found any more.
            problem = self._one("PRAGMA integrity_check(1)")
            if problem != "ok":
                raise UnusableIndexError(problem.splitlines()[-1])  # the first may say where

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    def _last_us(self) -> int:
        return _checked(self._one("SELECT coalesce(max(at_us), 0) FROM frames"), least=-MOST)

    def _one(self, query: str) -> Any:
        return self._db.execute(query).fetchone()[0]

    def _first(
        self, query: str, arguments: tuple[Any, ...], without: Collection[int]
    ) -> Entry | None:
        cursor = self._db.execute(query, arguments)
        try:
            return next((self._entry(row) for row in cursor if row[0] not in without), None)
        finally:
            cursor.close()

    def _entry(self, row: tuple[Any, ...]) -> Entry:
        return read_row(
            row,
            offset_us=self._offset_us,
            session=self._session,
            boot_session=self._boot_session,
        )


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as err:
        raise UnusableIndexError("what should be text is none") from err


def _checked(number: Any, *, least: int = 0) -> int:
    """Give a number that SQLite was told to keep, if it is one."""
    if type(number) is not int or not least <= number <= MOST:
        raise UnusableIndexError("what should be a number is none, or out of range")
    return number
