"""The time of day, as a function that tests can replace."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Give the time, with its offset of zero."""
    return datetime.now(UTC)
