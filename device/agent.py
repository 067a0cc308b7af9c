"""The agent: one camera's frames up, who is in them back."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence

from device.answers.results import Outcome
from device.cameras.camera import Camera
from device.gate.gatekeeper import Gatekeeper
from device.journal import Journal, Summary
from device.network.frame_store import FrameStore
from device.network.link import Link
from device.pulse import Pulses
from device.recording.recording import Recording
from device.remote.commands import Commands
from device.remote.following import follow_recording, follow_status
from device.remote.live_settings import LiveSettings
from device.remote.shadow import Shadow
from device.remote.status import StatusReporter
from device.sending import Sending
from device.settings import Settings
from device.spooling.spool import Spool
from device.threads import Threads
from device.time_of_day import TimeOfDay
from device.watching import Watching

log = logging.getLogger(__name__)


class Agent:
    """Composes what watches, sends and is told what to do; sees them to an orderly end."""

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
        unattended: bool = False,
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
            unattended: There is nobody to see it end, so what the cloud refuses is no reason to.
        """
        self._settings, self._spool, self._link = settings, spool, link
        self._journal = journal or Journal()
        self._recording, self._shadow = recording, shadow
        pulses, time_of_day = pulses or Pulses(), TimeOfDay()
        self._sending = Sending(
            settings,
            spool,
            store,
            link,
            self._journal,
            observers=observers,
            logged=logged,
            pulses=pulses,
            time_of_day=time_of_day,
            unattended=unattended,
        )
        self._watching = Watching(
            settings,
            camera,
            spool,
            self._journal,
            self._sending.drops,
            clock_is_set=time_of_day.is_set,
            gatekeeper=gatekeeper,
            recording=recording,
            pulses=pulses,
            frames=frames,
        )
        self._journal.count("resumed", spool.depth())
        self._journal.count("dropped_before", spool.dropped_before())
        self._commands, self._status = self._remote(time_of_day, troubles)
        self._threads, self._done = Threads(), threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Work until *stop* is set or the camera is at its end, and then finish orderly.

        At the camera's end frames are waited for as long as answers come; after a stop they have
        `stop_timeout_s` in all.

        Raises:
            ConfigError: Something that the operator must mend.
            CameraError: The camera is missing or gone; the supervisor restarts us.
        """
        self._listen()
        recorder = list(self._record())
        capture = self._threads.start("capture", lambda: self._watching.run(stop))
        working = [*self._sending.start(self._threads), *self._obey()]
        try:
            while capture.is_alive() and not (stop.is_set() or self._threads.failed.is_set()):
                capture.join(0.1)
            self.finish()
            capture.join(self._settings.uplink.stop_timeout_s)
            self._sending.finish(stop, self._threads)
            if recorder and not self._threads.failed.is_set():
                self._end_recording(recorder[0], stop)
        finally:
            self.finish()
            self._done.set()
            if self._recording is not None:
                self._recording.close()
            self._sending.close()
            self._status.soon()
            within_s = self._settings.uplink.stop_timeout_s + 1
            self._threads.join([*working, capture, *recorder], within_s)
        self._say_goodbye()

    def follow(
        self, live: LiveSettings, gatekeeper_for: Callable[[Settings], Gatekeeper | None]
    ) -> None:
        """Do as *live* says while it runs; *gatekeeper_for* builds the gate of some settings."""
        self._watching.follow(live, gatekeeper_for)
        follow_status(live, self._status)
        if self._recording is not None:
            follow_recording(live, self._recording)

    def finish(self) -> None:
        """Take no more frames, as at the camera's end. From any thread."""
        self._watching.capture.stop()

    def describe(self) -> str:
        """Tell in a line how it is doing. From any thread."""
        done = self._journal.counters()
        counts = f"{done.captured} captured, {done.answered} answered, {done.dropped} dropped"
        paused = "paused" if self._watching.capture.paused else None
        told = [paused, counts, f"{self._spool.depth()} waiting", self._status.trouble()]
        return "; ".join(filter(None, told))

    def summary(self) -> Summary:
        """Tell all that was done since the start."""
        return self._journal.summary()

    def _remote(
        self, time_of_day: TimeOfDay, troubles: Sequence[Callable[[], str | None]]
    ) -> tuple[Commands, StatusReporter]:
        """Make what hears the operator, and what tells of us."""
        settings, capture = self._settings, self._watching.capture
        recording, shadow = self._recording, self._shadow
        commands = Commands(
            settings.thing,
            capture,
            lambda: self._status.soon(),
            clock_is_set=time_of_day.is_set,
        )
        status = StatusReporter(
            settings.thing,
            self._link,
            self._journal,
            self._spool,
            lambda: capture.paused,
            every_s=settings.status.every_s,
            answers=commands.answers,
            clock=time_of_day.state,
            troubles=[
                lambda: recording.trouble if recording else None,
                lambda: shadow.trouble() if shadow else None,
                self._sending.uplink.trouble,
                *troubles,
            ],
        )
        return commands, status

    def _listen(self) -> None:
        self._sending.listen()
        self._commands.listen(self._link)
        if self._shadow is not None:
            self._shadow.listen(self._link, self._status.soon)
        while self._commands.step():  # what is there already holds before the first frame
            pass

    def _obey(self) -> Iterator[threading.Thread]:
        yield self._threads.start("commands", lambda: self._commands.run(self._done))
        if (shadow := self._shadow) is not None:
            yield self._threads.start("shadow", lambda: shadow.run(self._done))
        yield self._threads.start("status", lambda: self._status.run(self._done))

    def _record(self) -> Iterator[threading.Thread]:
        if (recording := self._recording) is not None:
            yield self._threads.start("recorder", recording.run)
            yield self._threads.start("segments", lambda: recording.upload(self._done))

    def _end_recording(self, recorder: threading.Thread, stop: threading.Event) -> None:
        """Have the last segment finished, and after a clip's end all of them uploaded."""
        assert self._recording is not None  # noqa: S101
        self._recording.end()
        recorder.join(self._settings.uplink.stop_timeout_s + 1)
        self._recording.drain(stop)

    def _say_goodbye(self) -> None:
        """Tell what is left, and how it ended.

        Raises:
            BaseException: What a thread failed with.
        """
        self._sending.end()
        left = self._spool.depth()
        self._journal.count("unanswered", left)
        if left:
            log.warning("%d frames were left unanswered", left)
        if self._threads.failure is not None:
            self._status.say("offline", "failed")
            raise self._threads.failure
        self._status.say("offline", "stopped")
