"""The agent: one camera's frames up, who is in them back."""

import functools
import logging
import threading
import time
from collections.abc import Callable, Sequence

from device.answers.results import Outcome, Results
from device.cameras.camera import Camera
from device.capture import Capture, Schedule
from device.choice import Choice
from device.gate.gatekeeper import Gatekeeper
from device.journal import Journal, Summary
from device.keeping import Keeping
from device.network.frame_store import FrameStore
from device.network.link import Link
from device.pending import Pending
from device.pulse import Pulses
from device.recording.recording import Recording
from device.remote.commands import Commands
from device.remote.following import follow_frames, follow_recording, follow_status, look_every_s
from device.remote.live_settings import LiveSettings
from device.remote.shadow import Shadow
from device.remote.status import StatusReporter
from device.settings import Settings
from device.spooling.backlog import Backlog
from device.spooling.drops import Drops
from device.spooling.spool import Spool
from device.time_of_day import TimeOfDay
from device.uplink import Uplink
from sightline.errors import CameraError, ConfigError

log = logging.getLogger(__name__)

_GRACE_S = 0.5

# For how long a thread may make no progress: longer than all time-outs of what it does.
CAPTURE_S, UPLINK_S = 60.0, 300.0


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
        gatekeeper: Gatekeeper | None = None,
        recording: Recording | None = None,
        journal: Journal | None = None,
        shadow: Shadow | None = None,
        logged: Sequence[str] | None = None,
        troubles: Sequence[Callable[[], str | None]] = (),
        pulses: Pulses | None = None,
    ) -> None:
        """Prepare to work.

        Args:
            observers: They hear of each result.
            frames: So many are sent at most.
            gatekeeper: Chooses which; None: each of them.
            shadow: Has settings change while it runs; see `follow`.
            logged: The frames whose results are in a log that stays, and no other is known; None:
                no log is kept, and the spool's word holds.
            troubles: What else may be wrong, for the status.
            pulses: Where its threads say that they make progress.
            recording: Records the camera; None: nobody does.
            journal: What others count in as well; None: one of its own.
        """
        self._settings = settings
        self._spool = spool
        self._link = link
        self._journal = journal or Journal()
        self._recording = recording
        uplink, time_of_day = settings.uplink, TimeOfDay()
        self._pending = Pending(
            spool,
            places=uplink.in_flight,
            timeout_s=uplink.answer_timeout_s,
            attempts=uplink.attempts,
        )
        self._drops = Drops(self._pending, self._journal)
        self._keeping = Keeping(settings, spool, self._journal, self._drops, recording)
        self._choice = Choice(gatekeeper, self._keeping.keep, self._journal)
        self._pulses = pulses or Pulses()
        self._capture_pulse = self._pulses.of(
            "capture", within_s=CAPTURE_S + 2 * settings.camera.timeout_s
        )
        self._schedule = Schedule(
            look_every_s(settings, gatekeeper), alive=self._capture_pulse.beat
        )
        self._capture = Capture(
            camera,
            self._schedule,
            self._choice.offer,
            limit=frames,
            recorder=recording,
            on_skipped=lambda: self._journal.count("skipped"),
        )
        self._journal.count("resumed", spool.depth())
        self._uplink = Uplink(
            settings.iot.frames_topic(settings.thing),
            spool,
            store,
            link,
            self._pending,
            self._journal,
            backlog=Backlog(
                self._pending,
                share=uplink.backlog_share,
                uploads=uplink.uploads,
                places=uplink.in_flight,
            ),
            drops=self._drops,
            time_of_day=time_of_day,
        )
        self._results = Results(
            self._pending,
            self._journal,
            observers,
            known=spool.answered() if logged is None else logged,
            ours=spool.answered(),
            valid_for_s=settings.results.valid_for_s,
        )
        self._commands = Commands(settings.thing, self._capture, lambda: self._status.soon())
        self._status = StatusReporter(
            settings.thing,
            link,
            self._journal,
            spool,
            lambda: self._capture.paused,
            every_s=settings.status.every_s,
            answers=self._commands.answers,
            clock=time_of_day.state,
            troubles=[
                lambda: recording.trouble if recording else None,
                lambda: shadow.trouble() if shadow else None,
                *troubles,
            ],
        )
        self._shadow = shadow
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
        if self._shadow is not None:
            self._shadow.listen(self._link, self._status.soon)
        while self._commands.step():  # what is there already holds before the first frame
            pass
        recorder = self._record()
        capture = self._start("capture", lambda: self._watch(stop))
        working = [
            self._start(name, functools.partial(self._send, name))
            for name in (f"uplink-{i}" for i in range(self._settings.uplink.uploads))
        ]
        working.append(self._start("results", lambda: self._results.run(self._sending_done)))
        working.append(self._start("commands", lambda: self._commands.run(self._sending_done)))
        if (shadow := self._shadow) is not None:
            working.append(self._start("shadow", lambda: shadow.run(self._sending_done)))
        working.append(self._start("status", lambda: self._status.run(self._sending_done)))
        try:
            while capture.is_alive() and not (stop.is_set() or self._failed.is_set()):
                capture.join(0.1)
            self._finish(capture, stop)
            if self._recording is not None and not self._failed.is_set():
                self._end_recording(recorder, stop)
        finally:
            self._capture.stop()
            self._sending_done.set()
            if self._recording is not None:
                self._recording.close()
            self._uplink.close()
            self._status.soon()
            until_s = time.monotonic() + self._settings.uplink.stop_timeout_s + 1
            for thread in [*working, capture, *recorder]:
                thread.join(max(0.0, until_s - time.monotonic()))
        self._drops.note(self._spool.sweep())
        self._drops.close()
        left = self._spool.depth()
        self._journal.count("unanswered", left)
        if left:
            log.warning("%d frames were left unanswered", left)
        if self._failure is not None:
            self._status.say("offline", "failed")
            raise self._failure
        self._status.say("offline", "stopped")

    def follow(
        self, live: LiveSettings, gatekeeper_for: Callable[[Settings], Gatekeeper | None]
    ) -> None:
        """Do as *live* says while it runs; *gatekeeper_for* builds the gate of some settings."""
        follow_frames(live, gatekeeper_for, self._keeping, self._choice, self._schedule)
        follow_status(live, self._status)
        if self._recording is not None:
            follow_recording(live, self._recording)

    def finish(self) -> None:
        """Take no more frames, as at the camera's end. From any thread."""
        self._capture.stop()

    def describe(self) -> str:
        """Tell in a line how it is doing. From any thread."""
        done = self._journal.counters()
        counts = f"{done.captured} captured, {done.answered} answered, {done.dropped} dropped"
        paused = "paused" if self._capture.paused else None
        told = [paused, counts, f"{self._spool.depth()} waiting", self._status.trouble()]
        return "; ".join(filter(None, told))

    def summary(self) -> Summary:
        """Tell all that was done since the start."""
        return self._journal.summary()

    def _finish(self, capture: threading.Thread, stop: threading.Event) -> None:
        """Wait until all is answered; not for long once *stop* is set or something has failed."""
        self._capture.stop()
        capture.join(self._settings.uplink.stop_timeout_s)
        self._uplink.drain()
        uplink = self._settings.uplink
        # What nobody answers is given up first, at the uplink's next look.
        patience_s = uplink.answer_timeout_s * uplink.attempts + _GRACE_S
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

    def _record(self) -> list[threading.Thread]:
        recording = self._recording
        if recording is None:
            return []
        return [
            self._start("recorder", recording.run),
            self._start("segments", lambda: recording.upload(self._sending_done)),
        ]

    def _end_recording(self, threads: list[threading.Thread], stop: threading.Event) -> None:
        """Have the last segment finished, and after a clip's end all of them uploaded."""
        assert self._recording is not None  # noqa: S101
        self._recording.end()
        threads[0].join(self._settings.uplink.stop_timeout_s + 1)
        self._recording.drain(stop)

    def _watch(self, stop: threading.Event) -> None:
        """Take frames; a camera on the network that is waited for is no failure after a stop."""
        self._capture_pulse.beat()  # it opens the camera, which does not ask for the pace
        try:
            self._capture.run()
        except CameraError as err:
            if not stop.is_set():
                raise
            log.info("stopped meanwhile: %s", err)
        finally:
            self._capture_pulse.end()
            self._choice.end()

    def _send(self, name: str) -> None:
        pulse = self._pulses.of(name, within_s=UPLINK_S)
        try:
            self._uplink.run(self._sending_done, pulse.beat)
        finally:
            pulse.end()

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
