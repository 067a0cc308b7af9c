"""What a disk, or SQLite on it, complains of, in words that an operator can act on."""

import errno
import sqlite3


class UnusableIndexError(sqlite3.DatabaseError):
    """An index is damaged, or of another version of the agent: it is to be set aside."""


TROUBLE = (OSError, sqlite3.Error)

_FULL = (errno.ENOSPC, errno.EDQUOT)
_MENDS = {
    errno.ENOSPC: "make room on it, or set [spool] max_bytes lower",
    errno.EDQUOT: "raise the quota, or set [spool] max_bytes lower",
    errno.EROFS: "see with dmesg why it is mounted read-only; an SD card at its end does that",
    errno.EACCES: "let the agent's user write there, or set [spool] folder",
    errno.EPERM: "let the agent's user write there, or set [spool] folder",
    errno.EIO: "the disk fails; see dmesg",
}
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_TOOBIG)
_AS_ERRNO = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_IOERR: errno.EIO,
}


def number(err: BaseException) -> int | None:
    """Give the `errno` of *err*, or of what SQLite means by it."""
    if isinstance(err, OSError):
        return err.errno
    return _AS_ERRNO.get(_code(err))


def is_full(err: BaseException) -> bool:
    """Tell whether there is no room."""
    return number(err) in _FULL


def is_damaged(err: BaseException) -> bool:
    """Tell whether a database is none, or not whole."""
    return isinstance(err, UnusableIndexError) or _code(err) in _DAMAGED


def is_odd(err: BaseException) -> bool:
    """Tell whether SQLite finds a statement of ours wrong.

    As they are right, it is the layout of the database that is damaged, if it was just opened.
    """
    return isinstance(err, sqlite3.IntegrityError) or _code(err) == sqlite3.SQLITE_ERROR


def needs_opening(err: BaseException) -> bool:
    """Tell whether a database had better be closed, and examined as it is opened again."""
    return isinstance(err, sqlite3.Error) and number(err) not in (*_FULL, errno.EROFS)


def said(err: BaseException) -> str:
    """Say what is wrong, and what mends it if that is known."""
    text = err.strerror if isinstance(err, OSError) and err.strerror else str(err)
    mend = _MENDS.get(number(err) or 0)
    return text if mend is None else f"{text} ({mend})"


def _code(err: BaseException) -> int:
    """Give SQLite's primary result code; its lowest byte, as the others say more of the same."""
    code: int = getattr(err, "sqlite_errorcode", None) or 0
    return code & 0xFF
