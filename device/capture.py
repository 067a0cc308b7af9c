"""The thread that takes frames; it never waits for the network, nor for a disk.

It takes one each interval, or each there is where the camera is recorded. Those that are due go
to another thread, which works on the newest: what that does (gate, JPEG, two waits for a card) may
take its time. Of a clip or a folder each frame counts, so there the frames wait instead.
"""

import contextlib
import dataclasses
import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from device.cameras.camera import Camera, Captured
from device.newest import Newest

log = logging.getLogger(__name__)


# A beat that a late frame has put out is made up for by so much of an interval at a time: the next
# frame would come too soon, and two of them say no more than one.
_SOONER = 0.1


class Schedule:
    """When frames are wanted: each `interval_s`, or at once when somebody asks.

    A little lateness moves none of the frames after it, and no two are closer than nine tenths of
    `interval_s`. Nor do frames pile up: who comes late for one waits for the next from there on.
    """

    def __init__(
        self,
        interval_s: float,
        *,
        alive: Callable[[float], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Want the first frame now.

        Args:
            alive: Hears that a camera asks when a frame is wanted, and for how long it waits now.
        """
        self._interval_s = interval_s
        self._alive = alive
        self._clock = clock
        self._due_s = clock()
        self._hurry = threading.Event()
        self._lock = threading.Lock()
        self._stopped = False

    def remaining_s(self) -> float:
        """See `device.cameras.camera.Pace`."""
        self._alive(0.0)
        return 0.0 if self._hurry.is_set() else max(0.0, self._due_s - self._clock())

    def pause(self, seconds: float) -> None:
        """See `device.cameras.camera.Pace`."""
        if seconds > 0:
            self._alive(seconds)
            self._hurry.wait(seconds)

    def every(self, interval_s: float) -> None:
        """Want one each *interval_s*, the first at once. From any thread."""
        with self._lock:
            self._interval_s = interval_s
            self._due_s = self._clock()
            self._hurry.set()

    def at_once(self) -> None:
        """Want a frame now. From any thread."""
        self._hurry.set()

    def stop(self) -> None:
        """Want no more frames: whoever waits returns. From any thread."""
        with self._lock:
            self._stopped = True
            self._hurry.set()

    def taken(self) -> None:
        """Go on to the next frame."""
        with self._lock:
            if not self._stopped:
                self._hurry.clear()
            now_s, beat_s = self._clock(), self._interval_s
            # One that was asked for came before it was due, and puts off the next by no more.
            self._due_s = max(min(self._due_s, now_s) + beat_s, now_s + (1 - _SOONER) * beat_s)


class Recorder(Protocol):
    """What records the camera; see `device.recording.recording.Recording`."""

    @property
    def each_frame(self) -> bool:
        """Whether each frame is to be taken, and given to `frame`."""

    def frame(self, captured: Captured) -> None:
        """Record a frame. It never waits."""

    def pause(self, paused: bool) -> None:
        """Record nothing from now on, or go on."""


class _EachFrame:
    """A pace that wants every frame there is, and heeds a schedule that is stopped."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def remaining_s(self) -> float:
        """See `device.cameras.camera.Pace`."""
        return 0.0

    def pause(self, seconds: float) -> None:
        """See `device.cameras.camera.Pace`."""
        self._schedule.pause(seconds)


class Capture:
    """Take frames from a camera and hand them on, until stopped or at the camera's end."""

    def __init__(
        self,
        camera: Camera,
        schedule: Schedule,
        keep: Callable[[Captured], bool | None],
        *,
        limit: int | None = None,
        recorder: Recorder | None = None,
        live: bool = False,
        on_skipped: Callable[[], None] = lambda: None,
    ) -> None:
        """Hand what *camera* gives to *keep*.

        Args:
            keep: Tells False of a frame that it did not keep.
            limit: So many frames are kept at most.
            live: The camera goes on whether frames are taken or not, so it never waits for *keep*,
                which gets the newest. A camera that each frame is recorded of never does either.
            on_skipped: Hears of each frame that was not handed on, because *keep* was not done
                with the one before when a newer one came.
        """
        self._camera = camera
        self._schedule = schedule
        self._keep = keep
        self._hand_on: Callable[[Captured], None] = self._kept
        self._recorder = recorder
        self._live = live
        self._on_skipped = on_skipped
        self._each = _EachFrame(schedule)
        self._left = limit
        self._wanted_now = threading.Event()
        self._paused = threading.Event()
        self._stop = threading.Event()

    def run(self) -> None:
        """Work until `stop`, the camera's end or the last frame of the limit.

        Raises:
            ConfigError: The camera cannot be.
            CameraError: It is missing, or has stopped giving frames.
        """
        with self._camera, contextlib.ExitStack() as aside:
            newest: Newest | None = None
            while not self._stop.is_set() and self._left != 0:
                if newest is None and (self._live or self._each_frame()):
                    newest = aside.enter_context(Newest(self._kept, self._on_skipped))
                    self._hand_on = newest.offer
                if not self.step():
                    log.info("the camera has come to its end")
                    return

    def step(self) -> bool:
        """Take one frame; False at the camera's end."""
        recorder, recorded = self._recorder, self._each_frame()
        captured = self._camera.capture(self._each if recorded else self._schedule)
        if captured is None:
            return False
        if recorder is not None and recorded:
            recorder.frame(captured)
            if self._schedule.remaining_s() > 0:
                return True
        self._schedule.taken()
        if self._stop.is_set():
            return True
        # While paused frames are still taken, and thrown away: a camera that nobody reads fills
        # its buffers, and the first frame after the pause would be one from before it.
        asked = self._wanted_now.is_set()
        self._wanted_now.clear()
        if asked or not self._paused.is_set():
            self._hand_on(dataclasses.replace(captured, asked=True) if asked else captured)
        return True

    def stop(self) -> None:
        """Take no more frames. From any thread."""
        self._stop.set()
        self._schedule.stop()

    def now(self) -> None:
        """Take one frame now, paused or not. From any thread."""
        self._wanted_now.set()
        self._schedule.at_once()

    @property
    def paused(self) -> bool:
        """Whether frames are thrown away."""
        return self._paused.is_set()

    def pause(self, paused: bool) -> None:
        """Throw frames away from now on, or no longer. From any thread."""
        if paused:
            self._paused.set()
        else:
            self._paused.clear()
        if self._recorder is not None:
            self._recorder.pause(paused)

    def _each_frame(self) -> bool:
        return self._recorder is not None and self._recorder.each_frame

    def _kept(self, captured: Captured) -> None:
        if self._left == 0:
            return
        kept = self._keep(captured) is not False
        if kept and self._left is not None:
            self._left -= 1
