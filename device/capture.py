"""The thread that takes a frame each interval; it never waits for the network."""

import logging
import threading
import time
from collections.abc import Callable

from device.camera import Camera, Captured

log = logging.getLogger(__name__)


class Schedule:
    """When frames are wanted: each `interval_s`, or at once when somebody asks.

    Frames do not pile up: who comes late for one waits for the next from there on.
    """

    def __init__(self, interval_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval_s = interval_s
        self._clock = clock
        self._due_s = clock()
        self._hurry = threading.Event()
        self._lock = threading.Lock()
        self._stopped = False

    def remaining_s(self) -> float:
        """See `device.camera.Pace`."""
        return 0.0 if self._hurry.is_set() else max(0.0, self._due_s - self._clock())

    def pause(self, seconds: float) -> None:
        """See `device.camera.Pace`."""
        if seconds > 0:
            self._hurry.wait(seconds)

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
        self._due_s += self._interval_s
        if self._due_s < self._clock():
            self._due_s = self._clock()


class Capture:
    """Take frames from a camera and hand them on, until stopped or at the camera's end."""

    def __init__(
        self,
        camera: Camera,
        schedule: Schedule,
        keep: Callable[[Captured], None],
        *,
        limit: int | None = None,
    ) -> None:
        """Hand what *camera* gives to *keep*, which must be quick, *limit* frames at most."""
        self._camera = camera
        self._schedule = schedule
        self._keep = keep
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
        with self._camera:
            while not self._stop.is_set() and self._left != 0:
                if not self.step():
                    log.info("the camera has come to its end")
                    return

    def step(self) -> bool:
        """Take one frame; False at the camera's end."""
        captured = self._camera.capture(self._schedule)
        self._schedule.taken()
        if captured is None:
            return False
        if self._stop.is_set():
            return True
        # While paused frames are still taken, and thrown away: a camera that nobody reads fills
        # its buffers, and the first frame after the pause would be one from before it.
        asked = self._wanted_now.is_set()
        self._wanted_now.clear()
        if asked or not self._paused.is_set():
            self._keep(captured)
            if self._left is not None:
                self._left -= 1
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
