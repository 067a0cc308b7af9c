"""Where one segment ends and the next begins, and in which of them a frame is."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime

from sightline.keys import new_frame_id
from sightline.messages import Segment

# So long without a frame, and a segment has ended: what comes then is another.
GAP_S = 5.0
_REMEMBERED = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A segment, and when its first frame was taken; its id says when by the time of day."""

    id: str
    at_s: float  # on the monotonic clock


class Segments:
    """Cuts a stream of frames. Not safe from several threads.

    Segments are cut where they come nearest to the length that is wanted, and at once where frames
    stop coming or become of another form. There is no frame between one and the next.
    """

    def __init__(self, length_s: float) -> None:
        self.length_s = length_s
        self._begun: deque[Begun] = deque(maxlen=_REMEMBERED)
        self._form: object = None
        self._last_s: float | None = None
        self._frame_s = 0.0  # between the last two
        self._ended_s: float | None = None  # nothing after that is in a segment

    def place(self, at_s: float, at: datetime, *, form: object, key: bool) -> Begun | None:
        """Tell which segment the next frame is in; None: in none, one must begin with a key frame.

        Args:
            at_s: When it was taken, on the monotonic clock.
            form: Frames of one segment are all of the same.
            key: A segment can begin with it.
        """
        due = self._due(at_s, form)
        if due and not key:
            if self._form != form or self._last_s is None:
                return None
            due = False  # it is as long as the next key frame lets it be
        if self._last_s is not None:
            self._frame_s = max(0.0, at_s - self._last_s)
        self._last_s, self._form = at_s, form
        if due:
            self._begun.append(Begun(id=new_frame_id(at), at_s=at_s))
            self._ended_s = None
        return self._begun[-1]

    def cut(self) -> None:
        """End the segment: the next frame begins another, however soon it comes."""
        if self._last_s is not None:
            self._ended_s, self._last_s = self._last_s, None

    def find(self, at_s: float) -> Segment | None:
        """Tell where in the video a frame is that was taken at *at_s*; None: before or after it."""
        if self._ended_s is not None and at_s > self._ended_s:
            return None
        for begun in reversed(self._begun):
            if begun.at_s <= at_s:
                return Segment(id=begun.id, offset_ms=round((at_s - begun.at_s) * 1000))
        return None

    def _due(self, at_s: float, form: object) -> bool:
        if self._last_s is None or self._form != form or at_s - self._last_s > GAP_S:
            return True
        frame_s = min(at_s - self._last_s, self._frame_s or self.length_s)
        return at_s - self._begun[-1].at_s >= self.length_s - frame_s / 2
