"""Waiting for videos, with patience for a stack that is out of reach for a moment."""

import time
from collections.abc import Callable
from threading import Event

from infra.videos.following import Following, Standing
from sightline.errors import TransportError

INTERVAL_S = 1.0
PATIENCE_S = 60.0  # how long a stack may be out of reach


def wait(
    following: Following,
    *,
    timeout_s: float,
    show: Callable[[Standing], None] = lambda _: None,
    now: Callable[[], float] = time.monotonic,
    pause: Callable[[float], object] = lambda seconds: Event().wait(seconds),
) -> None:
    """Look at all that is open, again and again, until it is done or *timeout_s* are over.

    Raises:
        TransportError: The stack is out of reach, for longer than `PATIENCE_S`.
    """
    begin_s = reached_s = now()
    while True:
        try:
            following.look(show)
            reached_s = now()
        except TransportError:
            if now() - reached_s >= PATIENCE_S:
                raise
        left_s = begin_s + timeout_s - now()
        if not following.open or left_s <= 0:
            return
        pause(min(INTERVAL_S, left_s))
