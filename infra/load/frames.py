"""Frames of many light devices, published at a rate, and their answers waited for."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from infra.load.clock import Clock
from infra.load.tally import Fate, Run
from infra.load.videos import NO_RESULT, Standing
from sightline.errors import SightlineError
from sightline.keys import frame_key, new_frame_id
from sightline.messages import FrameCaptured, FrameRecognized, FrameRejected

Answer = FrameRecognized | FrameRejected

_LOOK_S = 0.25


class Way(Protocol):
    """A device's way to the cloud and back, for many of them."""

    def send(self, device: str, frame: FrameCaptured, jpeg: bytes) -> None:
        """Store a frame, and publish its reference. Threads: any.

        Raises:
            ConfigError: A right is missing.
            TransportError: The stack is out of reach.
        """
        ...

    def answers(self, seconds: float) -> Iterator[Answer]:
        """Give the answers that come within *seconds*.

        Raises:
            TransportError: The connection broke.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePlan:
    """What is to be sent, and how.

    Attributes:
        run: Names this run, and with it its devices.
        fps: Frames a second of each device.
        seconds: How long they take frames.
        timeout_s: How long a frame is waited for, from when it was taken on.
    """

    run: str
    devices: int
    fps: float
    seconds: float
    timeout_s: float = 60

    @property
    def count(self) -> int:
        """How many frames there are in all."""
        return self.devices * max(1, round(self.fps * self.seconds))

    def due_s(self, number: int) -> float:
        """When the frame of that number, from 0, is taken: evenly over all devices."""
        return number / (self.fps * self.devices)

    def device(self, number: int) -> str:
        """Whose frame that is."""
        return f"load-{self.run}-{number % self.devices + 1:03}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    fate: Fate
    sent: "Future[float]"  # gives when its reference had gone, since the run began


class FrameLoad:
    """One run; answers are read in the thread that calls `run`, frames are sent by *senders*."""

    def __init__(
        self,
        plan: FramePlan,
        way: Way,
        pictures: Sequence[bytes],
        *,
        clock: Clock,
        senders: Executor,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        show: Callable[[Standing], None] = lambda _: None,
    ) -> None:
        self._plan = plan
        self._way = way
        self._pictures = pictures
        self._clock = clock
        self._senders = senders
        self._now = now
        self._show = show
        self._begin_s = clock.now_s()
        self._begun = 0
        self._open: dict[str, _Open] = {}  # by frame id
        self._ended: dict[str, Fate] = {}
        self._late_s = 0.0

    def run(self) -> Run:
        """Send all, and wait until each is answered or its time is over.

        Raises:
            TransportError: The connection that the answers come through broke.
        """
        self._begin_s = self._clock.now_s()
        try:
            while self._begun < self._plan.count or self._open:
                self._begin_due()
                for answer in self._way.answers(self._pause_s()):
                    self._take(answer)
                self._give_up()
                self._show(self._standing())
        except KeyboardInterrupt:
            for each in list(self._open.values()):
                each.sent.cancel()
                self._end(replace(each.fate, failure="stopped before it was answered"))
        return self.result()

    def result(self) -> Run:
        """What came of it so far."""
        fates = sorted(self._ended.values(), key=lambda each: each.begun_s)
        rate = self._plan.fps * self._plan.devices
        return Run(what="frames", asked_rate=rate, fates=tuple(fates), late_s=self._late_s)

    def _now_s(self) -> float:
        return self._clock.now_s() - self._begin_s

    def _pause_s(self) -> float:
        if self._begun == self._plan.count:
            return _LOOK_S
        return max(0.001, min(_LOOK_S, self._plan.due_s(self._begun) - self._now_s()))

    def _begin_due(self) -> None:
        plan = self._plan
        while self._begun < plan.count and (due_s := plan.due_s(self._begun)) <= self._now_s():
            number, self._begun = self._begun, self._begun + 1
            device, now = plan.device(number), self._now()
            jpeg = self._pictures[number % len(self._pictures)]
            frame_id = new_frame_id(now)
            frame = FrameCaptured(
                key=frame_key(device, frame_id, now),
                frame_id=frame_id,
                captured_at=now,
                bytes=len(jpeg),
            )
            # Not when it really goes: a camera does not wait because others are slow.
            fate = Fate(name=frame_id, begun_s=due_s)
            sent = self._senders.submit(self._send, device, frame, jpeg, due_s)
            self._open[frame_id] = _Open(fate=fate, sent=sent)

    def _send(self, device: str, frame: FrameCaptured, jpeg: bytes, due_s: float) -> float:
        self._late_s = max(self._late_s, self._now_s() - due_s)
        self._way.send(device, frame, jpeg)
        return self._now_s()

    def _take(self, answer: Answer) -> None:
        """Note an answer; those to others' frames, and those that came before, do not count."""
        each = self._open.get(answer.frame_id or "")
        if each is None:
            return
        failure = None
        if isinstance(answer, FrameRejected):
            failure = f"rejected, {answer.reason}: {answer.detail}"
        self._end(replace(each.fate, answered_s=self._now_s(), failure=failure))

    def _give_up(self) -> None:
        """End what could not be sent, or has taken too long."""
        now_s = self._now_s()
        for each in list(self._open.values()):
            if each.sent.done() and (error := each.sent.exception()) is not None:
                if not isinstance(error, SightlineError):
                    raise error
                self._end(replace(each.fate, failure=f"not sent: {error}"))
            elif now_s - each.fate.begun_s > self._plan.timeout_s:
                why = f"{NO_RESULT} within {self._plan.timeout_s:g} s"
                self._end(replace(each.fate, failure=why))

    def _end(self, fate: Fate) -> None:
        each = self._open.pop(fate.name)
        if each.sent.done() and not each.sent.cancelled() and each.sent.exception() is None:
            fate = replace(fate, sent_s=each.sent.result())
        self._ended[fate.name] = fate

    def _standing(self) -> Standing:
        return Standing(
            begun=self._begun,
            open=len(self._open),
            ended=len(self._ended),
            failed=sum(each.failure is not None for each in self._ended.values()),
            of=self._plan.count,
        )
