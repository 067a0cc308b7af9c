"""The thread that writes segments; who gives it frames never waits for it."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, Literal, TypeVar

from device.recording.finisher import Finisher
from device.recording.ring import Ring
from device.recording.segments import GAP_S, Begun, Segments
from device.recording.unit_queue import UnitQueue
from device.recording.writer import OpenWriter, Unit, Writer
from sightline.messages import Segment

log = logging.getLogger(__name__)

T = TypeVar("T")
RETRY_S = 10.0  # after trouble with the disk
QUEUE_BYTES = 12_000_000  # eight frames of 1280 x 720: a third of a second
PLACE_S = 0.1

Event = Literal["recorded", "unrecorded", "segments"]


class Recorder(Generic[T]):
    """Records what it is offered. `offer`, `place` and `pause` are safe from any thread.

    Frames wait in a queue, bounded in bytes. Where the encoder or the disk does not keep up, frames
    that find it full are left out of the video, where the one before stays on for longer; packets
    are, up to the next key frame. Where the disk takes nothing at all, recording pauses, and tries
    again with a new segment. All that is left out is counted (`unrecorded`), and told of.
    """

    def __init__(
        self,
        ring: Ring,
        open_writer: OpenWriter[T],
        *,
        segment_s: float,
        duration_s: float = 0.0,
        on: bool = True,
        each_frame: bool = True,
        queue_bytes: int = QUEUE_BYTES,
        idle_s: float = GAP_S,
        retry_s: float = RETRY_S,
        count: Callable[[Event, int], None] = lambda *_: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to write into *ring*.

        Args:
            duration_s: Record for so long from the first frame; 0: for ever.
            on: Whether to record from the start; see `change`.
            each_frame: Whoever takes frames from the camera is to offer each of them.
            idle_s: A segment that gets no frame for so long is finished.
        """
        self._ring = ring
        self._open_writer = open_writer
        self._finisher = Finisher(ring, self._finished, self._lost)
        self._duration_s = duration_s
        self._each_frame = each_frame
        self._idle_s, self._retry_s = idle_s, retry_s
        self._count = count
        self._clock = clock
        self._changed = threading.Condition()
        self._segments = Segments(segment_s)
        self._queue: UnitQueue[T] = UnitQueue(queue_bytes, lambda: count("unrecorded", 1))
        self._begun_s: float | None = None  # when the first frame of all was taken
        self._offered_s: float | None = None  # when the newest was
        self._prompt = True  # it was not waited for in vain
        self._over, self._closed, self._paused = not on, False, False
        self._trouble: str | None = None
        # The writing thread's own:
        self._segment: Begun | None = None
        self._writer: Writer[T] | None = None
        self._written = 0  # into it
        self._written_s = 0.0  # when the last of these was taken
        self._said: str | None = None
        self._retry_at_s = 0.0
        self._tell_on()

    @property
    def each_frame(self) -> bool:
        """Whether whoever takes frames is to offer each of them now."""
        return self._each_frame and self.wanted

    @property
    def wanted(self) -> bool:
        """Whether it still records, or will when no longer paused."""
        return not (self._over or self._closed)

    @property
    def trouble(self) -> str | None:
        """What keeps it from recording; None: nothing."""
        return self._trouble

    def offer(self, unit: Unit[T]) -> None:
        """Record a frame. It never waits."""
        with self._changed:
            if not self.wanted or self._paused:
                return
            if self._duration_s and unit.at_s >= (self._begun_s or unit.at_s) + self._duration_s:
                self._over = True
                self._segments.cut()
                self._changed.notify_all()
                log.info("recorded for %g s, as [recording] duration_s says", self._duration_s)
                return
            self._offered_s, self._prompt = unit.at_s, True
            if self._queue.fits(unit):
                self._append(unit)
            self._changed.notify_all()

    def place(self, at_s: float) -> Segment | None:
        """Tell where in the video a frame is that was taken at *at_s*; None: it is not in it.

        The Pi's encoder gives a frame a moment after the camera did: that moment is waited for, by
        the thread that chooses frames and never by the one that takes them. An encoder that let us
        wait in vain is not waited for again before it gives something.
        """
        with self._changed:
            if self._prompt:
                self._prompt = self._changed.wait_for(lambda: not self._may_come(at_s), PLACE_S)
            if self._trouble is not None:
                return None
            return self._segments.find(at_s)

    def pause(self, paused: bool) -> None:
        """Record nothing from now on, or go on. The segment ends here."""
        with self._changed:
            if paused and not self._paused:
                self._segments.cut()
            self._paused = paused
            self._changed.notify_all()

    def change(self, *, on: bool | None, segment_s: float, duration_s: float) -> None:
        """Record otherwise from the next frame on.

        Args:
            on: Begin, for *duration_s* from now; or end. None: neither.
        """
        with self._changed:
            self._segments.length_s = segment_s
            self._duration_s = duration_s
            if on is not None:
                self._over, self._begun_s = not on, None
                self._segments.cut()
                self._tell_on()
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more frames; `run` writes what is there, and returns."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def run(self) -> None:
        """Write, until `close`."""
        try:
            while (item := self._next()) is not None:
                begun, unit = item
                if begun is not self._segment:
                    self._finish(until_s=begun.at_s)
                    self._begin(begun, unit)
                self._write(unit)
        finally:
            self._finish(until_s=None)
            self._finisher.close()
            self.close()

    def _next(self) -> tuple[Begun, Unit[T]] | None:
        """Wait for a frame; None: there will be no more."""
        while True:
            with self._changed:
                came = self._changed.wait_for(
                    lambda: self._queue or self._closed or self._rests(), self._idle_s
                )
                if self._queue:
                    return self._queue.take()
                if self._closed:
                    return None
                self._segments.cut()
            self._finish(until_s=None)
            if came:  # until it no longer rests
                with self._changed:
                    self._changed.wait_for(lambda: self._queue or self._closed or not self._rests())

    def _tell_on(self) -> None:
        """Have what is counted be told of, though it be 0."""
        if not self._over:
            self._count("recorded", 0)
            self._count("unrecorded", 0)

    def _rests(self) -> bool:
        return self._over or self._paused

    def _begin(self, begun: Begun, unit: Unit[T]) -> None:
        self._segment, self._written = begun, 0
        if self._clock() < self._retry_at_s:
            return
        try:
            self._writer = self._open_writer(self._ring.begin(begun.id), unit)
        except OSError as err:
            self._give_up(err)
        else:
            self._trouble = None

    def _write(self, unit: Unit[T]) -> None:
        if self._writer is None:
            self._count("unrecorded", 1)
            return
        self._written += 1
        self._written_s = unit.at_s
        try:
            self._writer.write(unit)
        except OSError as err:
            self._give_up(err)

    def _finish(self, *, until_s: float | None) -> None:
        writer, self._writer = self._writer, None
        segment, self._segment = self._segment, None
        if writer is None or segment is None:
            return
        abuts = until_s is not None and until_s - self._written_s <= GAP_S
        try:
            # Here, so that one encoder has gone when the next one comes: each has 13 MB.
            writer.close(until_s if abuts else None)
        except OSError as err:
            writer.discard()
            self._ring.discard(segment.id)
            self._lost(self._written, err)
        else:
            self._finisher.finish(segment.id, self._written)

    def _give_up(self, err: OSError) -> None:
        """Let go of a segment that cannot be written, and of what else it would have held."""
        if self._writer is not None:
            self._writer.discard()
            self._writer = None
        if self._segment is not None:
            self._ring.discard(self._segment.id)
        written, self._written = self._written, 0
        self._lost(written, err)

    # What the thread tells of that closes files, too.

    def _finished(self, frames: int) -> None:
        self._count("recorded", frames)
        self._count("segments", 1)
        with self._changed:
            goes_on, self._said = self._said is not None, None
        if goes_on:
            log.info("recording goes on")

    def _lost(self, frames: int, err: OSError) -> None:
        self._count("unrecorded", frames)
        said = f"recording pauses: {self._ring.folder}: {err.strerror or err}"
        with self._changed:
            again, self._said, self._trouble = said == self._said, said, said
            self._retry_at_s = self._clock() + self._retry_s
            self._changed.notify_all()
        if not again:
            log.warning("%s; recognition goes on, and it is tried again", said)

    def _append(self, unit: Unit[T]) -> None:
        begun = self._segments.place(unit.at_s, unit.at, form=unit.form, key=unit.key)
        if begun is None:
            return
        if self._begun_s is None:
            self._begun_s = unit.at_s
        self._queue.put(begun, unit)

    def _may_come(self, at_s: float) -> bool:
        if not self.wanted or self._paused or self._trouble is not None:
            return False
        return self._offered_s is not None and self._offered_s < at_s
