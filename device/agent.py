"""The agent: one camera's frames up, who is in them back."""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Sequence

from device import jpeg
from device.camera import Camera, Captured
from device.capture import Capture, Schedule
from device.commands import Commands
from device.frame_store import FrameStore
from device.journal import Journal, Summary
from device.link import Link
from device.pending import Pending
from device.results import Outcome, Results
from device.settings import Settings
from device.spool import Spool, SpooledFrame
from device.status import StatusReporter
from device.uplink import Uplink
from sightline.errors import CameraError, ConfigError
from sightline.keys import frame_key, new_frame_id

log = logging.getLogger(__name__)


class Agent:
    """Composes the parts, each in its thread, and sees them through to an orderly end."""

    def __init__(
        self,
        settings: Settings,
        camera: Camera,
        spool: Spool,
        store: FrameStore,
        link: Link,
        *,
        observers: Sequence[Callable[[Outcome], None]] = (),
        frames: int | None = None,
    ) -> None:
        """Prepare to work; *observers* hear of each result, *frames* are taken at most."""
        self._settings = settings
        self._spool = spool
        self._link = link
        self._journal = Journal()
        uplink = settings.uplink
        self._pending = Pending(
            spool,
            places=uplink.in_flight,
            timeout_s=uplink.answer_timeout_s,
            attempts=uplink.attempts,
        )
        self._capture = Capture(
            camera, Schedule(settings.frames.interval_s), self._keep, limit=frames
        )
        self._uplink = Uplink(settings.thing, spool, store, link, self._pending, self._journal)
        self._results = Results(self._pending, self._journal, observers)
        self._status = StatusReporter(
            settings.thing,
            link,
            self._journal,
            spool,
            lambda: self._capture.paused,
            every_s=settings.status.every_s,
        )
        self._commands = Commands(settings.thing, self._capture, self._status.soon)
        self._sending_done = threading.Event()
        self._failed = threading.Event()
        self._failure: BaseException | None = None

    def run(self, stop: threading.Event) -> None:
        """Work until *stop* is set or the camera is at its end, and then finish orderly.

        At the camera's end frames are waited for as long as answers come; after a stop they have
        `stop_timeout_s` in all.

        Raises:
            ConfigError: Something that the operator must mend.
            CameraError: The camera is missing or gone; the supervisor restarts us.
        """
        self._results.listen(self._link, self._settings.thing)
        self._commands.listen(self._link)
        capture = self._start("capture", lambda: self._watch(stop))
        working = [
            self._start(f"uplink-{i}", lambda: self._uplink.run(self._sending_done))
            for i in range(self._settings.uplink.uploads)
        ]
        working.append(self._start("results", lambda: self._results.run(self._sending_done)))
        working.append(self._start("status", lambda: self._status.run(self._sending_done)))
        try:
            while capture.is_alive() and not (stop.is_set() or self._failed.is_set()):
                capture.join(0.1)
            self._finish(capture, stop)
        finally:
            self._capture.stop()
            self._sending_done.set()
            self._uplink.close()
            self._status.soon()
            until_s = time.monotonic() + self._settings.uplink.stop_timeout_s + 1
            for thread in [*working, capture]:
                thread.join(max(0.0, until_s - time.monotonic()))
        left = self._spool.depth()
        self._journal.count("unanswered", left)
        if left:
            log.warning("%d frames were left unanswered", left)
        if self._failure is not None:
            self._status.say("offline", "failed")
            raise self._failure
        self._status.say("offline", "stopped")

    def finish(self) -> None:
        """Take no more frames, as at the camera's end. From any thread."""
        self._capture.stop()

    def summary(self) -> Summary:
        """Tell all that was done since the start."""
        return self._journal.summary()

    def _finish(self, capture: threading.Thread, stop: threading.Event) -> None:
        """Wait until all is answered; not for long once *stop* is set or something has failed."""
        self._capture.stop()
        capture.join(self._settings.uplink.stop_timeout_s)
        uplink = self._settings.uplink
        patience_s = uplink.answer_timeout_s * uplink.attempts
        depth, since_s, hurried = self._spool.depth(), time.monotonic(), False
        while (left := self._spool.depth()) and not isinstance(self._failure, ConfigError):
            if left < depth:  # while answers come, more of them are waited for
                depth = left
                since_s = since_s if hurried else time.monotonic()
            if not hurried and (stop.is_set() or self._failed.is_set()):
                hurried, patience_s, since_s = True, uplink.stop_timeout_s, time.monotonic()
            if time.monotonic() - since_s > patience_s:
                return
            self._sending_done.wait(0.02)

    def _watch(self, stop: threading.Event) -> None:
        """Take frames; a camera on the network that is waited for is no failure after a stop."""
        try:
            self._capture.run()
        except CameraError as err:
            if not stop.is_set():
                raise
            log.info("stopped meanwhile: %s", err)

    def _keep(self, captured: Captured) -> None:
        """Put one image into the spool, as JPEG; the capturing thread's, so it never waits."""
        begun_s = time.monotonic()
        camera = self._settings.camera
        image = jpeg.fit(captured.image, camera.width, camera.height)
        data = jpeg.encode(image, self._settings.frames.jpeg_quality)
        frame_id = new_frame_id(captured.captured_at)
        self._journal.count("captured")
        dropped = self._spool.put(
            SpooledFrame(
                frame_id=frame_id,
                key=frame_key(self._settings.thing, frame_id, captured.captured_at),
                captured_at=captured.captured_at,
                captured_s=captured.captured_s,
                width=image.shape[1],
                height=image.shape[0],
                size=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
                encode_ms=(time.monotonic() - begun_s) * 1000,
                jpeg=data,
            )
        )
        for each in dropped:
            self._pending.forget(each)
        if dropped:
            self._journal.count("dropped", len(dropped))
            log.warning("dropped %d frames: they come faster than they go", len(dropped))

    def _start(self, name: str, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=self._guard, args=(work,), name=name, daemon=True)
        thread.start()
        return thread

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as err:  # run() raises it: a thread must not die unheard
            if self._failure is None:
                self._failure = err
            self._failed.set()
