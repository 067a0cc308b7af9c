"""What became of an operator's commands, until a status has told of it."""

import logging
import threading
from collections import deque
from typing import NamedTuple

from sightline.messages import CommandAnswer

log = logging.getLogger(__name__)

SHOWN = 8  # that a status goes on to carry: of some 200 bytes each, they are nothing to a broker
A_STATUS = 32  # that are in one status at most: below 90 KB, however they are written
KEPT = 64  # that no status told of yet; a flood may have more, of which the oldest are lost


class Batch(NamedTuple):
    """What the next status tells of commands."""

    answers: tuple[CommandAnswer, ...]  # the newest last
    upto: int  # counted from the first one there was
    left: int  # that there is no room for in this status


class CommandAnswers:
    """Keeps each answer until a status went out with it, and the last few for longer.

    Safe from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: deque[CommandAnswer] = deque(maxlen=KEPT)
        self._count = 0  # of all that there were
        self._told = 0  # of these, the first so many were told of, or lost
        self._lost = 0

    def add(self, answer: CommandAnswer) -> None:
        """Keep *answer* to tell of it."""
        with self._lock:
            self._kept.append(answer)
            self._count += 1
            oldest = self._count - len(self._kept)
            if self._told < oldest:
                self._told, self._lost = oldest, self._lost + 1

    def next(self) -> Batch:
        """Give what to tell: of those not told of yet, the oldest; and others, to show a few."""
        with self._lock:
            first = self._count - len(self._kept)
            upto = min(self._told + A_STATUS, self._count)
            begin = max(first, min(self._told, upto - SHOWN))
            answers = tuple(self._kept)[begin - first : upto - first]
            return Batch(answers, upto, self._count - upto)

    def told(self, batch: Batch) -> None:
        """Note that a status went out with *batch*."""
        with self._lock:
            self._told = max(self._told, batch.upto)
            lost, self._lost = self._lost, 0
        if lost:
            log.warning("%d commands are answered in no status: too many came at once", lost)
