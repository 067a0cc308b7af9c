"""The frames that were sent and whose results are waited for."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from device.spooling.spool import Spool, SpooledFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A frame of ours whose result has come.

    Attributes:
        stages_ms: How long each stage took, here.
    """

    key: str
    stages_ms: Mapping[str, float]


@dataclass(slots=True, kw_only=True)
class _Sent:
    frame: SpooledFrame
    stages_ms: dict[str, float]
    published_s: float
    holds_place: bool = True


class Pending:
    """Who waits for a result, and for how long. Safe from any thread.

    There are places for so many frames; a frame holds one from before its reference is published
    (a result can come before the acknowledgement) until its result, or the time-out.
    """

    def __init__(self, spool: Spool, *, places: int, timeout_s: float, attempts: int) -> None:
        self._spool = spool
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._places = threading.Semaphore(places)
        self._lock = threading.Lock()
        self._sent: dict[str, _Sent] = {}

    def place(self, timeout_s: float) -> bool:
        """Wait for a place; False if none came free in time."""
        return self._places.acquire(timeout=timeout_s)

    def leave(self) -> None:
        """Give back a place that no frame took."""
        self._places.release()

    def expect(self, frame: SpooledFrame, stages_ms: dict[str, float], published_s: float) -> None:
        """Wait for *frame*'s result, in the caller's place."""
        with self._lock:
            self._sent[frame.frame_id] = _Sent(
                frame=frame, stages_ms=stages_ms, published_s=published_s
            )

    def acknowledged(self, frame_id: str, publish_ms: float) -> None:
        """Note that the broker has *frame_id*'s reference."""
        with self._lock:
            if frame_id in self._sent:
                self._sent[frame_id].stages_ms["publish"] = publish_ms

    def forget(self, frame_id: str) -> None:
        """Wait for it no longer: it was not sent, or has been dropped."""
        with self._lock:
            self._free(self._sent.pop(frame_id, None))

    def answered(self, frame_id: str, received_s: float) -> Answered | None:
        """Take a result: the frame is done with. None: it is none of ours that waits for one."""
        with self._lock:
            sent = self._sent.pop(frame_id, None)
            self._free(sent)
        spooled = self._spool.mark(frame_id, "answered")  # before anybody is told of the result
        if sent is None:  # its reference may have been sent by an earlier process
            return None if spooled is None else Answered(key=spooled.key, stages_ms={})
        stages_ms = sent.stages_ms | {"answer": (received_s - sent.published_s) * 1000}
        if not sent.frame.resumed:
            stages_ms["total"] = (received_s - sent.frame.captured_s) * 1000
        return Answered(key=sent.frame.key, stages_ms=stages_ms)

    def older(self, than_s: float) -> int:
        """Count the frames that hold a place and were taken before *than_s*."""
        with self._lock:
            return sum(
                sent.holds_place and sent.frame.captured_s < than_s for sent in self._sent.values()
            )

    def overdue(self, now_s: float) -> tuple[str, ...]:
        """Have overdue frames sent again, and give the ids of those that are given up.

        A frame that is to be sent again is still waited for: its first result may yet come.
        """
        given_up = []
        with self._lock:
            for frame_id, sent in list(self._sent.items()):
                if not sent.holds_place or now_s - sent.published_s < self._timeout_s:
                    continue
                self._free(sent)
                if sent.frame.attempts + 1 < self._attempts:
                    self._spool.release(frame_id)
                else:
                    del self._sent[frame_id]
                    self._spool.give_up(frame_id)
                    given_up.append(frame_id)
        return tuple(given_up)

    def _free(self, sent: _Sent | None) -> None:
        if sent is not None and sent.holds_place:
            sent.holds_place = False
            self._places.release()
