"""What the device says about itself: online, offline, and how it is doing."""

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

from device.clock import utc_now
from device.journal import Journal
from device.network.link import Link
from device.remote.command_answers import A_STATUS, KEPT, CommandAnswers
from device.spooling.spool import Spool
from sightline import __version__
from sightline.errors import TransportError
from sightline.messages import CommandAnswer, DeviceStatus, encode
from sightline.topics import topic

log = logging.getLogger(__name__)

GAP_S = 0.2  # between two statuses: a flood of commands leaves the link to the frames
_AT_ONCE = -(-KEPT // A_STATUS)  # statuses that carry all the answers there are


def last_will(device: str, at: datetime) -> bytes:
    """Write what the broker says for us when we are gone without a word."""
    return encode(
        DeviceStatus(
            device=device, state="offline", at=at, version=__version__, detail="connection lost"
        )
    )


class StatusReporter:
    """Publishes the device's status, retained: at each connect, at intervals and at the end."""

    def __init__(
        self,
        device: str,
        link: Link,
        journal: Journal,
        spool: Spool,
        paused: Callable[[], bool],
        *,
        every_s: float = 60.0,
        answers: CommandAnswers | None = None,
        troubles: Sequence[Callable[[], str | None]] = (),
        clock: Callable[[], Literal["unset"] | None] = lambda: None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Prepare to say how *journal* and *spool* are doing.

        Args:
            answers: What became of commands; None: nobody gives any.
            troubles: Each says what is wrong in one part; None: nothing.
            clock: Whether the time of day is known.
        """
        self._device = device
        self._link = link
        self._journal = journal
        self._spool = spool
        self._paused = paused
        self._every_s = every_s
        self._answers = answers or CommandAnswers()
        self._troubles = (spool.trouble, *troubles)
        self._clock = clock
        self._now = now
        self._wanted = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Say how we are until *stop* is set and `soon` called."""
        self._link.on_connected(self.soon)
        while not stop.is_set():
            if self._wanted.wait(self._every_s):
                self._wanted.clear()
            if not stop.is_set():
                self.say("online")
            stop.wait(GAP_S)

    def every(self, seconds: float) -> None:
        """Have it said so often, beginning now. From any thread."""
        self._every_s = seconds
        self.soon()

    def soon(self) -> None:
        """Have it said now, by the thread in `run`."""
        self._wanted.set()

    def say(self, state: str, detail: str | None = None) -> None:
        """Publish *state*, more than once where one status cannot carry all answers to commands.

        If the link is down, the next connect makes up for it.
        """
        for _ in range(_AT_ONCE):
            batch = self._answers.next()
            status = self._status(state, detail, batch.answers)
            try:
                self._link.publish(topic(self._device, "status"), encode(status), retain=True)
            except TransportError as err:
                log.debug("could not say %s: %s", state, err)
                return
            self._answers.told(batch)
            if not batch.left:
                return

    def trouble(self) -> str | None:
        """Say what is wrong now; None: nothing. From any thread."""
        return "; ".join(filter(None, (trouble() for trouble in self._troubles))) or None

    def _status(
        self, state: str, detail: str | None, answers: tuple[CommandAnswer, ...]
    ) -> DeviceStatus:
        return DeviceStatus(
            device=self._device,
            state="online" if state == "online" else "offline",
            at=self._now(),
            version=__version__,
            counters=self._journal.counters(),
            spooled=self._spool.depth(),
            paused=self._paused(),
            detail=detail or self.trouble(),
            clock=self._clock(),
            commands=answers or None,
        )
