"""What comes back: results and rejections, matched to the frames they answer."""

import logging
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from device.clock import utc_now
from device.journal import Journal
from device.link import Link
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
    """

    message: FrameRecognized | FrameRejected
    payload: bytes = field(repr=False)
    received_at: datetime
    new: bool
    key: str | None
    stages_ms: Mapping[str, float]


class Results:
    """Takes messages off the link at once, and sees to them in a thread of its own."""

    def __init__(
        self,
        pending: Pending,
        journal: Journal,
        observers: Sequence[Callable[[Outcome], None]] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Tell each of *observers*, in order, of each result, those that come again included."""
        self._pending = pending
        self._journal = journal
        self._observers = observers
        self._clock = clock
        self._now = now
        self._arrived: queue.SimpleQueue[tuple[str, bytes, float, datetime]] = queue.SimpleQueue()
        self._seen: OrderedDict[str, None] = OrderedDict()

    def listen(self, link: Link, device: str) -> None:
        """Take the results and rejections of *device*."""
        link.subscribe(topic(device, "results"), self._arrive)
        link.subscribe(topic(device, "errors"), self._arrive)

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
        where, payload, received_s, received_at = arrived
        try:
            channel = parse(where)[1]
            message: FrameRecognized | FrameRejected
            if channel == "results":
                message = decode(FrameRecognized, payload)
            else:
                message = decode(FrameRejected, payload)
        except MessageError as err:
            log.warning("ignored a message on %s: %s", where, err)
            return True
        outcome = self._match(message, payload, received_s, received_at)
        for observer in self._observers:
            try:
                observer(outcome)
            except Exception:  # its own trouble: the others, and the frames to come, go on
                log.exception("result %s: one who was to hear of it failed", message.frame_id)
        return True

    def _arrive(self, where: str, payload: bytes) -> None:
        self._arrived.put((where, payload, self._clock(), self._now()))

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
        # A repeat is new to us if we wait for it and the first answer never came.
        new = not self._knows(frame_id) and (answered is not None or not repeat)
        stages_ms = {} if answered is None else dict(answered.stages_ms)
        if isinstance(message, FrameRecognized):
            delivery_s = (received_at - message.recognized_at).total_seconds()
            stages_ms["delivery"] = delivery_s * 1000
            stages_ms |= {f"cloud.{name}": ms for name, ms in message.timings_ms.items()}
        self._note(message, new=new, ours=answered is not None, stages_ms=stages_ms)
        return Outcome(
            message=message,
            payload=payload,
            received_at=received_at,
            new=new,
            key=None if answered is None else answered.key,
            stages_ms=stages_ms,
        )

    def _note(
        self,
        message: FrameRecognized | FrameRejected,
        *,
        new: bool,
        ours: bool,
        stages_ms: Mapping[str, float],
    ) -> None:
        if not new:
            self._journal.count("repeated")
            return
        rejected = isinstance(message, FrameRejected)
        if ours:
            self._journal.count("rejected" if rejected else "answered")
            self._journal.took(stages_ms)
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
