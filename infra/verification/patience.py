"""Waiting for what takes a stack minutes, and saying that it goes on."""

import time
from collections.abc import Callable, Iterator

PATIENCE_S = 300.0
EVERY_S = 15.0  # a word now and then

Say = Callable[[str], None]


def rounds(what: str, say: Say) -> Iterator[float]:
    """Give turns until patience is over: each the seconds since the first. They do not pause."""
    began = said = time.monotonic()
    while (now := time.monotonic()) - began < PATIENCE_S:
        if now - said > EVERY_S:
            say(f"{what} … {now - began:.0f} s")
            said = now
        yield now - began
