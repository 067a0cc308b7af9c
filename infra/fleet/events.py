"""What happens in a fleet, as its processes tell it: a line of JSON each."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from sightline import wire

What = Literal["captured", "answered", "dropped", "result", "linked", "failed", "ended"]
Why = Literal["too old", "spool full"]

TOO_OLD: Final = "too old"
FULL: Final = "spool full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A face that was given a name."""

    box: tuple[int, int, int, int]
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a device, or to a frame of its.

    Attributes:
        what: captured: the spool has promised to keep it. answered: the spool knows of its answer.
            dropped: it is gone, unanswered. result: one came. linked: the connection
            stands (again). failed, ended: so is the agent.
        at_s: On the monotonic clock, which all processes of a machine share.
        frame: Its id; empty of a frame that is known by its loss alone.
        number: As it was drawn into the frame.
        why: It was dropped.
        new: The first answer to its frame, as the agent sees it.
        rejected: The answer says why there is none.
        total_ms: From capture to result, of a frame that this process captured.
        text: Why it failed.
        counts: What the agent itself counted.
    """

    what: What
    device: str
    at_s: float
    frame: str = ""
    number: int | None = None
    why: Why | None = None
    new: bool = False
    rejected: bool = False
    total_ms: float | None = None
    named: tuple[Named, ...] = ()
    text: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)


Emit = Callable[[Event], None]


def write(event: Event) -> str:
    """Write an event as one line, its end included."""
    return json.dumps(wire.dump(event), separators=(",", ":")) + "\n"


def read(line: str) -> Event:
    """Read what `write` wrote.

    Raises:
        MessageError: It did not.
    """
    return wire.load(Event, json.loads(line))
