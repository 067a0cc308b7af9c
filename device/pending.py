"""The frames that were sent and whose results are waited for."""

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from device.silence import Silence
from device.spooling.spool import Spool, SpooledFrame

LONGEST_REST_S = 900.0


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

    Nothing is given up here: what nobody answers goes back to the spool, whose bounds in bytes and
    age are the only ones there are. It is sent again at once until it was sent `attempts` times;
    then it rests before that, each time for twice as long, so that it holds up no other. If nobody
    else is answered either, all sending rests but for a try now and then (see `device.silence`).
    """

    def __init__(
        self,
        spool: Spool,
        *,
        places: int,
        timeout_s: float,
        attempts: int,
        silence: Silence | None = None,
    ) -> None:
        self._spool = spool
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._free_places = places
        self._places = places
        self._silence = silence or Silence()
        self._changed = threading.Condition()
        self._sent: dict[str, _Sent] = {}
        self._heard_s = -math.inf  # when the last answer to anything came

    def place(self, timeout_s: float) -> bool:
        """Wait for a place; False if none came free in time."""
        with self._changed:
            if not self._changed.wait_for(self._may_send, timeout_s):
                return False
            self._free_places -= 1
            return True

    def leave(self) -> None:
        """Give back a place that no frame took."""
        with self._changed:
            self._free_places += 1
            self._changed.notify_all()

    def expect(self, frame: SpooledFrame, stages_ms: dict[str, float], published_s: float) -> None:
        """Wait for *frame*'s result, in the caller's place."""
        with self._changed:
            self._sent[frame.frame_id] = _Sent(
                frame=frame, stages_ms=stages_ms, published_s=published_s
            )

    def acknowledged(self, frame_id: str, publish_ms: float) -> None:
        """Note that the broker has *frame_id*'s reference."""
        with self._changed:
            if frame_id in self._sent:
                self._sent[frame_id].stages_ms["publish"] = publish_ms

    def forget(self, frame_id: str) -> None:
        """Wait for it no longer: it was not sent, or has been dropped."""
        with self._changed:
            self._free(self._sent.pop(frame_id, None))

    def answered(self, frame_id: str, received_s: float) -> Answered | None:
        """Take a result: the frame is done with. None: it is none of ours that waits for one."""
        self._silence.over()
        with self._changed:
            self._heard_s = max(self._heard_s, received_s)
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
        with self._changed:
            return sum(
                sent.holds_place and sent.frame.captured_s < than_s for sent in self._sent.values()
            )

    def overdue(self, now_s: float) -> int:
        """Have overdue frames sent again, now or later; tell how many there were.

        A frame that is to be sent again at once is still waited for: its first result may yet come.
        """
        with self._changed:
            late = [
                (frame_id, sent)
                for frame_id, sent in self._sent.items()
                if sent.holds_place and now_s - sent.published_s >= self._timeout_s
            ]
            for frame_id, sent in late:
                self._free(sent)
                times = sent.frame.attempts + 1
                if times < self._attempts:
                    self._spool.release(frame_id)
                    continue
                del self._sent[frame_id]
                doubled = 2.0 ** min(times - self._attempts, 30)
                rest_s = min(LONGEST_REST_S, self._timeout_s * doubled)
                self._spool.rest(frame_id, now_s + rest_s)
                if self._heard_s < sent.published_s:
                    self._silence.unanswered(frame_id, sent.published_s, now_s)
        return len(late)

    def hurry(self, *, last: bool = False) -> None:
        """Try a cloud that is silent now: the link stands again, or *last*, no more frames come."""
        self._silence.hurry(self._timeout_s if last else math.inf)
        self._spool.wake()
        with self._changed:
            self._changed.notify_all()

    def trouble(self) -> str | None:
        """Say for how long nobody has been answered; None: somebody was."""
        return self._silence.trouble()

    def _may_send(self) -> bool:
        if not self._silence.lasts:
            return self._free_places > 0
        return self._free_places == self._places and self._silence.may_try()

    def _free(self, sent: _Sent | None) -> None:
        if sent is not None and sent.holds_place:
            sent.holds_place = False
            self._free_places += 1
            self._changed.notify_all()
