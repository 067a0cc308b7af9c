"""Frames as rows of the index, and what a transaction does to them."""

import json
import math
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from device.spooling.disk_trouble import UnusableIndexError
from device.spooling.files import is_name
from device.spooling.spool import SpooledFrame, State
from sightline.messages import Gate, Segment

VERSION = 1
PAGE_BYTES = 512

SCHEMA = f"""
CREATE TABLE frames (
    at_us INTEGER PRIMARY KEY,      -- when it was taken, on the spool's own clock
    frame_id TEXT NOT NULL UNIQUE,
    key TEXT NOT NULL,
    captured_us INTEGER NOT NULL,   -- when it was taken, by the time of day, since 1970
    width INTEGER NOT NULL,         -- 0: its file tells
    height INTEGER NOT NULL,
    size INTEGER NOT NULL,
    sha256 BLOB NOT NULL,           -- empty: its file tells
    state INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    encode_ms REAL NOT NULL,
    more TEXT,                      -- JSON: what the gate saw, where in the video it is, its clock
    session INTEGER NOT NULL
);
CREATE TABLE answered (slot INTEGER PRIMARY KEY, number INTEGER NOT NULL, frame_id TEXT NOT NULL);
CREATE TABLE facts (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
"""

COLUMNS = (
    "at_us, frame_id, key, captured_us, width, height, size, sha256, state, attempts, encode_ms,"
    " more, session"
)

DROPPED = "SELECT max(value) FROM facts WHERE name = 'dropped'"  # NULL: none so far

STATES: tuple[State, ...] = ("captured", "uploaded", "published", "answered")

MOST = 2**61  # of any number there, in size; so none is too large for SQLite when one is added

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """A frame, without its JPEG, and its place in the index."""

    at_us: int
    frame: SpooledFrame


@dataclass(slots=True)
class Change:
    """What one transaction is to do, in this order."""

    marked: dict[int, SpooledFrame] = field(default_factory=dict)  # by place
    answered: dict[int, str] = field(default_factory=dict)  # ids by place
    heard: list[str] = field(default_factory=list)  # ids of answered ones that have no place
    dropped: set[int] = field(default_factory=set)
    removed: set[int] = field(default_factory=set)  # as dropped ones, but not counted
    lost: int = 0  # dropped besides, without a row
    added: list[Entry] = field(default_factory=list)

    def gone(self, at_us: int) -> bool:
        """Tell whether there is no such frame any more, once this is done."""
        return at_us in self.answered or at_us in self.dropped or at_us in self.removed

    def __bool__(self) -> bool:
        return any(getattr(self, each) for each in self.__slots__)


def read_row(row: tuple[Any, ...], *, offset_us: int, session: int, boot_session: int) -> Entry:
    """Read a row.

    Args:
        row: What `COLUMNS` say.
        offset_us: From the monotonic clock to the spool's own.
        session: This one: rows of others are resumed.
        boot_session: The first one since the machine was started.

    Raises:
        UnusableIndexError: It is damaged, as far as can be seen: whoever gets the frame could do
            nothing with it.
    """
    try:
        entry = _read(row, offset_us, session, boot_session)
        _check(entry, row)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as err:
        raise UnusableIndexError(f"the row of a frame is damaged: {err}") from err
    return entry


def _read(row: tuple[Any, ...], offset_us: int, session: int, boot_session: int) -> Entry:
    more = {} if row[11] is None else json.loads(row[11])
    segment = more.get("segment")
    frame = SpooledFrame(
        frame_id=row[1],
        key=row[2],
        captured_at=_EPOCH + timedelta(microseconds=row[3]),
        captured_s=(row[0] - offset_us) / 1e6,
        width=row[4],
        height=row[5],
        size=row[6],
        sha256=row[7].hex(),
        state=STATES[row[8]],
        attempts=row[9],
        encode_ms=row[10],
        gate=more.get("gate"),
        segment=None if segment is None else Segment(**segment),
        resumed=row[12] != session,
        this_boot=row[12] >= boot_session,
        clock_set=more.get("clock") != "unset",
    )
    return Entry(row[0], frame)


def _check(entry: Entry, row: tuple[Any, ...]) -> None:
    """Check what SQLite leaves to us: that values are of their columns' kinds, and make sense.

    Raises:
        ValueError: They do not; so does `AttributeError` or `TypeError`.
    """
    frame = entry.frame
    numbers = (row[3], frame.width, frame.height, frame.size, row[8], frame.attempts, row[12])
    if abs(entry.at_us) > MOST or not all(type(n) is int and 0 <= n <= MOST for n in numbers):
        raise ValueError("a number is none, or out of range")
    if frame.state == "answered" or not (frame.size or frame.state == "captured"):
        raise ValueError("its state is none that such a row can have")
    if not (math.isfinite(frame.encode_ms) and len(row[7]) in (0, 32)):
        raise ValueError("a number is none, or a digest is not 32 bytes")
    if not (is_name(frame.frame_id) and frame.key.isprintable()):
        raise ValueError("its id or its key is none")
    if frame.gate is not None:  # as its reference will say it
        Gate(motion=frame.gate.get("motion"), faces=int(frame.gate.get("faces") or 0))
    place = frame.segment
    if place is not None and not (type(place.id) is str and type(place.offset_ms) is int):
        raise ValueError("its place in the video is none")


def write_row(entry: Entry, session: int) -> tuple[Any, ...]:
    """Write a row, in the order of `COLUMNS`."""
    frame = entry.frame
    more = {
        "gate": None if frame.gate is None else dict(frame.gate),
        "segment": None if frame.segment is None else asdict(frame.segment),
        "clock": None if frame.clock_set else "unset",
    }
    return (
        entry.at_us,
        frame.frame_id,
        frame.key,
        (frame.captured_at - _EPOCH) // timedelta(microseconds=1),
        frame.width,
        frame.height,
        frame.size,
        bytes.fromhex(frame.sha256),
        STATES.index(frame.state),
        frame.attempts,
        frame.encode_ms,
        json.dumps(more) if any(more.values()) else None,
        session,
    )
