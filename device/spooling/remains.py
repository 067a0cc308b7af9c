"""What can still be read of an index that was set aside: what was counted, and who is lost with it.

Its head and its pages are read as far as they go. The frames themselves are not taken from there:
those that have files are taken up without it.

Source: https://www.sqlite.org/fileformat2.html#the_database_header
"""

import contextlib
import logging
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device.spooling.rows import DROPPED, MOST, PAGE_BYTES, SCHEMA

log = logging.getLogger(__name__)

_HEAD = 100  # bytes at the beginning that say of the file what we know anyway, but for its length
_LENGTH = slice(28, 32)  # in pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What was found.

    Attributes:
        dropped: How many frames were counted as dropped.
        lost: How many frames more had a row and have no file: whether they were answered, or will
            be, nobody knows.
        answered: Ids of frames that were answered, the first one first.
    """

    dropped: int
    lost: int
    answered: tuple[str, ...]


def remains_of(path: Path, files: Collection[str]) -> Remains:
    """Read what can be read; what cannot is said in the log.

    Args:
        path: The index. It is left as it is.
        files: Ids of the frames whose files are there.
    """
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.text_factory = lambda text: text.decode(errors="replace")
        with contextlib.suppress(OSError, sqlite3.Error, UnicodeDecodeError):
            db.deserialize(_with_head(path.read_bytes()))
        counts, counted = _read(db, DROPPED)
        ids, listed = _read(db, "SELECT frame_id FROM frames NOT INDEXED")
        answered, _ = _read(db, "SELECT frame_id FROM answered ORDER BY number")
    dropped = counts[0] if counts and type(counts[0]) is int and 0 <= counts[0] <= MOST else 0
    lost = sum(each not in files for each in ids)
    if lost or not (counted and listed):
        log.warning(
            "%s: frames without a file that are lost with it, and counted as dropped: %s%d; "
            "dropped before: %s%d",
            path,
            "" if listed else "at least ",
            lost,
            "" if counted else "at least ",
            dropped,
        )
    return Remains(
        dropped=dropped, lost=lost, answered=tuple(each for each in answered if type(each) is str)
    )


def _with_head(data: bytes) -> bytes:
    """Give a database a sound head, whatever its own says."""
    with contextlib.closing(sqlite3.connect(":memory:")) as sound:
        sound.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        sound.executescript(SCHEMA)
        head = bytearray(sound.serialize()[:_HEAD])
    head[_LENGTH] = (len(data) // PAGE_BYTES).to_bytes(4, "big")
    return bytes(head) + data[_HEAD:]


def _read(db: sqlite3.Connection, query: str) -> tuple[list[Any], bool]:
    """Give the first column of as many rows as can be read, and whether that is all."""
    found = list[Any]()
    try:
        for (value,) in db.execute(query):
            found.append(value)  # one by one: the next page may be damaged
    except (sqlite3.Error, UnicodeDecodeError):
        return found, False
    return found, True
