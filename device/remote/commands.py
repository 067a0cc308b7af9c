"""What an operator may tell the device to do now."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from device.clock import utc_now
from device.network.link import Link
from device.remote.command_answers import CommandAnswers
from sightline.errors import MessageError
from sightline.messages import Command, CommandAnswer, decode
from sightline.topics import topic

log = logging.getLogger(__name__)

LONGEST_BYTES = 4096  # of a command; who sends more sends no command
GAP_S = 0.2  # between two commands that are done: a flood keeps nothing else from its work
HELD_S = 30.0  # for the clock to be set, before a command that may have expired is refused
REMEMBERED = 64  # ids of commands, to know a second delivery by
_SHOWN = 200  # characters of what somebody else wrote


class Steered(Protocol):
    """What commands steer: the capture."""

    def now(self) -> None:
        """Take one frame now."""
        ...

    def pause(self, paused: bool) -> None:
        """Throw frames away from now on, or no longer."""
        ...


@dataclass(slots=True, kw_only=True)
class _Waiting:
    """What waits to be done, or refused: at most one of each command."""

    command: Command | None
    arrived_s: float
    problem: str = ""
    times: int = 1


class Commands:
    """Obeys the messages on the device's channel `commands`, in a thread of its own.

    A command that waits and comes again is done once, in the last one's place: so that a flood
    takes no memory, and of pause and resume the last word holds.

    Where this clock is not set, nobody can tell whether a command has expired. One that could have
    waits for that, and what comes after it with it; when that takes too long it is refused. One
    that never expires is obeyed whatever the clock shows.
    """

    def __init__(
        self,
        device: str,
        capture: Steered,
        changed: Callable[[], None],
        *,
        gap_s: float = GAP_S,
        now: Callable[[], datetime] = utc_now,
        clock_is_set: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Steer *capture*, and call *changed* when there is an answer for the device's status.

        Args:
            clock_is_set: Whether *now* can be believed.
        """
        self.answers = CommandAnswers()
        self._device = device
        self._capture = capture
        self._changed = changed
        self._gap_s = gap_s
        self._now = now
        self._clock_is_set = clock_is_set
        self._clock = clock
        self._lock = threading.Condition()
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._done: OrderedDict[str, None] = OrderedDict()

    def listen(self, link: Link) -> None:
        """Take commands from now on; `run` obeys them."""
        link.subscribe(topic(self._device, "commands"), self._arrive)

    def run(self, stop: threading.Event) -> None:
        """Obey until *stop* is set."""
        while not stop.is_set():
            if self.step(wait_s=0.1):
                stop.wait(self._gap_s)

    def step(self, *, wait_s: float = 0.0) -> bool:
        """Do one command; False if none came within *wait_s*, or it waits for the clock."""
        with self._lock:
            if not self._lock.wait_for(lambda: self._waiting, wait_s):
                return False
            if self._is_held(next(iter(self._waiting.values()))):
                self._lock.wait(wait_s)
                return False
            _, waiting = self._waiting.popitem(last=False)
        if waiting.times > 1:
            log.warning("a command came %d times at once; it is done once", waiting.times)
        self._settle(waiting)
        self._changed()
        return True

    def _arrive(self, _where: str, payload: bytes) -> None:
        command, problem = None, ""
        try:
            if len(payload) > LONGEST_BYTES:
                raise MessageError(f"{len(payload)} bytes are over {LONGEST_BYTES}")
            command = decode(Command, payload)
        except MessageError as err:
            problem = str(err)
        name = command.command if command else ""
        with self._lock:
            before = self._waiting.pop(name, None)
            merged = before is not None and self._merge(before)
            times = 1 if before is None else before.times + 1
            self._waiting[name] = _Waiting(
                command=command, arrived_s=self._clock(), problem=problem, times=times
            )
            self._lock.notify_all()
        if merged:
            self._changed()  # what it was merged with may wait for the clock

    def _merge(self, waiting: _Waiting) -> bool:
        """Answer what another takes the place of; False: who sent it cannot tell it by an id."""
        if waiting.command is None or not waiting.command.command_id:
            return False
        self._answer(waiting.command, "merged")
        return True

    def _settle(self, waiting: _Waiting) -> None:
        command, times = waiting.command, waiting.times
        if command is None:
            where = topic(self._device, "commands")
            log.warning("ignored a message on %s: %s", where, waiting.problem)
            self._answer(None, "refused", detail=waiting.problem, times=times)
        elif command.expires_at is not None and not self._clock_is_set():
            detail = "whether it has expired is not known: this clock is not set"
            log.warning("ignored %s: %s", command.command, detail)
            self._answer(command, "refused", detail=detail, times=times)
        elif command.expires_at is not None and command.expires_at < self._now():
            log.warning("ignored %s: it expired at %s", command.command, command.expires_at)
            self._answer(command, "expired", times=times)
        elif self._is_done(command.command_id):
            log.info("ignored %s: it was done before", command.command)
            self._answer(command, "repeated", times=times)
        else:
            log.info("told to %s", command.command)
            self._obey(command)
            self._answer(command, "done", times=times)

    def _is_held(self, waiting: _Waiting) -> bool:
        command = waiting.command
        if command is None or command.expires_at is None or self._clock_is_set():
            return False
        return self._clock() < waiting.arrived_s + HELD_S

    def _obey(self, command: Command) -> None:
        match command.command:
            case "capture":
                self._capture.now()
            case "pause":
                self._capture.pause(True)
                log.warning("paused by a command; send resume to go on")
            case "resume":
                self._capture.pause(False)
            case "identify-yourself":
                log.warning("this is %s", self._device)

    def _is_done(self, command_id: str | None) -> bool:
        """Tell whether a command was done before, and remember it; without an id none was."""
        if command_id is None:
            return False
        known = command_id in self._done
        self._done[command_id] = None
        if len(self._done) > REMEMBERED:
            self._done.popitem(last=False)
        return known

    def _answer(
        self,
        command: Command | None,
        outcome: Literal["done", "expired", "refused", "merged", "repeated"],
        *,
        detail: str | None = None,
        times: int = 1,
    ) -> None:
        command_id = command.command_id if command else None
        self.answers.add(
            CommandAnswer(
                command=command.command if command else "",
                outcome=outcome,
                at=self._now(),
                command_id=command_id and command_id[:_SHOWN],
                detail=detail and detail[:_SHOWN],
                times=times if times > 1 else None,
            )
        )
