"""What comes back: results and rejections, matched to the frames they answer."""

import logging
import math
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from device.clock import utc_now
from device.journal import Journal
from device.network.link import Link
from device.pending import Pending
from sightline.errors import MessageError
from sightline.messages import FrameRecognized, FrameRejected, decode
from sightline.topics import parse, topic

log = logging.getLogger(__name__)

REMEMBERED = 4096  # ids of results, to know a second delivery by


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A result as it came.

    Attributes:
        payload: The bytes of the message.
        new: The first answer to its frame.
        key: Of the frame, if it is one that this process sent.
        stages_ms: How long each stage took, for such a frame; else empty.
        age_s: How old the frame was when the result came; None: unknown.
        late: That was more than results are valid for.
    """

    message: FrameRecognized | FrameRejected
    payload: bytes = field(repr=False)
    received_at: datetime
    new: bool
    key: str | None
    stages_ms: Mapping[str, float]
    age_s: float | None = None
    late: bool = False


class _Arrived(NamedTuple):
    where: str
    payload: bytes
    acknowledge: Callable[[], None]
    received_s: float
    received_at: datetime


class Results:
    """Takes messages off the link at once, and sees to them in a thread of its own."""

    def __init__(
        self,
        pending: Pending,
        journal: Journal,
        observers: Sequence[Callable[[Outcome], None]] = (),
        *,
        known: Sequence[str] = (),
        ours: Sequence[str] = (),
        valid_for_s: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Tell each of *observers*, in order, of each result, those that come again included.

        Args:
            known: Results for these frames have come before, to an earlier process.
            ours: These frames were sent, and are answered as far as the spool knows.
            valid_for_s: A result of a frame that is older is late.
        """
        self._pending = pending
        self._journal = journal
        self._observers = observers
        self._clock = clock
        self._now = now
        self._ours = frozenset(ours)
        self._valid_for_s = valid_for_s
        self._arrived: queue.SimpleQueue[_Arrived] = queue.SimpleQueue()
        self._seen: OrderedDict[str, None] = OrderedDict.fromkeys(known)

    def listen(self, link: Link, device: str) -> None:
        """Take the results and rejections of *device*."""
        link.take(topic(device, "results"), self._arrive)
        link.take(topic(device, "errors"), self._arrive)

    def run(self, stop: threading.Event) -> None:
        """See to what arrives until *stop* is set, and to all that has arrived by then."""
        while not stop.is_set():
            self.step(wait_s=0.1)
        while self.step():
            pass

    def step(self, *, wait_s: float = 0.0) -> bool:
        """See to one message; False if none came within *wait_s*."""
        try:
            arrived = self._arrived.get(timeout=wait_s) if wait_s else self._arrived.get_nowait()
        except queue.Empty:
            return False
        try:
            self._see(arrived)
        finally:
            arrived.acknowledge()  # only now: had we been killed before, it would come again
        return True

    def _see(self, arrived: _Arrived) -> None:
        where, payload = arrived.where, arrived.payload
        try:
            channel = parse(where)[1]
            message: FrameRecognized | FrameRejected
            if channel == "results":
                message = decode(FrameRecognized, payload)
            else:
                message = decode(FrameRejected, payload)
        except MessageError as err:
            log.warning("ignored a message on %s: %s", where, err)
            return
        outcome = self._match(message, payload, arrived.received_s, arrived.received_at)
        for observer in self._observers:
            try:
                observer(outcome)
            except Exception:  # its own trouble: the others, and the frames to come, go on
                log.exception("result %s: one who was to hear of it failed", message.frame_id)

    def _arrive(self, where: str, payload: bytes, acknowledge: Callable[[], None]) -> None:
        self._arrived.put(_Arrived(where, payload, acknowledge, self._clock(), self._now()))

    def _match(
        self,
        message: FrameRecognized | FrameRejected,
        payload: bytes,
        received_s: float,
        received_at: datetime,
    ) -> Outcome:
        frame_id = message.frame_id
        answered = None if frame_id is None else self._pending.answered(frame_id, received_s)
        repeat = isinstance(message, FrameRecognized) and message.repeat
        ours = answered is not None or frame_id in self._ours
        # A repeat is new to us if we wait for it and the first answer never came.
        new = not self._knows(frame_id) and (ours or not repeat)
        stages_ms = {} if answered is None else dict(answered.stages_ms)
        if isinstance(message, FrameRecognized):
            delivery_s = (received_at - message.recognized_at).total_seconds()
            stages_ms["delivery"] = delivery_s * 1000
            stages_ms |= {f"cloud.{name}": ms for name, ms in message.timings_ms.items()}
        age_s = _age_s(message, stages_ms, received_at)
        late = age_s is not None and age_s > self._valid_for_s
        self._note(message, new=new, ours=ours, late=late, stages_ms=stages_ms)
        return Outcome(
            message=message,
            payload=payload,
            received_at=received_at,
            new=new,
            key=None if answered is None else answered.key,
            stages_ms=stages_ms,
            age_s=age_s,
            late=late,
        )

    def _note(
        self,
        message: FrameRecognized | FrameRejected,
        *,
        new: bool,
        ours: bool,
        late: bool,
        stages_ms: Mapping[str, float],
    ) -> None:
        if not new:
            self._journal.count("repeated")
            return
        rejected = isinstance(message, FrameRejected)
        if ours:
            self._journal.count("rejected" if rejected else "answered")
            self._journal.took(stages_ms)
            self._journal.count("late", int(late))
        elif message.frame_id is not None:
            self._journal.count("strangers")
            log.info("result %s: its frame was dropped, or not sent from here", message.frame_id)
        if isinstance(message, FrameRecognized):
            for face in message.faces:
                self._journal.decided(face.decision, face.person.name if face.person else None)

    def _knows(self, frame_id: str | None) -> bool:
        """Tell whether a result for *frame_id* has come before, and remember this one."""
        if frame_id is None:
            return False
        known = frame_id in self._seen
        self._seen[frame_id] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return known


def _age_s(
    message: FrameRecognized | FrameRejected, stages_ms: Mapping[str, float], received_at: datetime
) -> float | None:
    """Tell how old a frame is: by the clock that nobody sets, where it has been here all along."""
    if (total_ms := stages_ms.get("total")) is not None:
        return total_ms / 1000
    if isinstance(message, FrameRejected):
        return None
    return (received_at - message.captured_at).total_seconds()
