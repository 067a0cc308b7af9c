"""The agent's near side: from the camera to the spool."""

import logging
import threading
from collections.abc import Callable

from device.cameras.camera import Camera, Captured
from device.capture import Capture, Schedule
from device.choice import Choice
from device.gate.gatekeeper import Gatekeeper
from device.journal import Journal
from device.keeping import Keeping
from device.pulse import Pulses
from device.recording.recording import Recording
from device.remote.following import follow_frames, look_every_s
from device.remote.live_settings import LiveSettings
from device.settings import Settings, is_path
from device.spooling.drops import Drops
from device.spooling.spool import Spool
from sightline.errors import CameraError

log = logging.getLogger(__name__)

# For how long each of the two threads may make no progress: longer than all time-outs of what it
# does; and a card that takes a minute for one frame takes none any more.
CAPTURE_S, RECOGNITION_S = 60.0, 60.0


class Watching:
    """Takes frames off a camera, chooses some of them, and puts those into the spool."""

    def __init__(
        self,
        settings: Settings,
        camera: Camera,
        spool: Spool,
        journal: Journal,
        drops: Drops,
        *,
        clock_is_set: Callable[[], bool],
        gatekeeper: Gatekeeper | None,
        recording: Recording | None,
        pulses: Pulses,
        frames: int | None,
    ) -> None:
        """Prepare to watch with *camera*; for the rest see `device.agent.Agent`."""
        self._keeping = Keeping(settings, spool, journal, drops, recording, clock_is_set)
        self._choice = Choice(gatekeeper, self._keeping.keep, journal)
        self._capture_pulse = pulses.of(
            "capture", within_s=CAPTURE_S + 2 * settings.camera.timeout_s
        )
        self._recognition_pulse = pulses.of("recognition", within_s=RECOGNITION_S)
        self._schedule = Schedule(
            look_every_s(settings, gatekeeper), alive=self._capture_pulse.beat
        )
        self.capture = Capture(
            camera,
            self._schedule,
            self._look,
            limit=frames,
            recorder=recording,
            live=not is_path(settings.camera.source),
            on_skipped=lambda: journal.count("skipped"),
        )

    def run(self, stop: threading.Event) -> None:
        """Take frames until `capture` is stopped, or the camera is at its end.

        A camera on the network that is waited for is no failure after a *stop*.

        Raises:
            ConfigError: The camera cannot be.
            CameraError: It is missing, or has stopped giving frames.
        """
        self._capture_pulse.beat()  # it opens the camera, which does not ask for the pace
        try:
            self.capture.run()
        except CameraError as err:
            if not stop.is_set():
                raise
            log.info("stopped meanwhile: %s", err)
        finally:
            self._capture_pulse.end()
            self._choice.end()

    def follow(
        self, live: LiveSettings, gatekeeper_for: Callable[[Settings], Gatekeeper | None]
    ) -> None:
        """Do as *live* says; *gatekeeper_for* builds the gate of some settings."""
        follow_frames(live, gatekeeper_for, self._keeping, self._choice, self._schedule)

    def _look(self, captured: Captured) -> bool:
        self._recognition_pulse.beat()
        try:
            return self._choice.offer(captured)
        finally:
            self._recognition_pulse.end()
