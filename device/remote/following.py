"""What the parts of an agent do when a setting changes while they run."""

from collections.abc import Callable

from device.capture import Schedule
from device.choice import Choice
from device.gate.gatekeeper import Gatekeeper
from device.keeping import Keeping
from device.recording.recording import Recording, check_package
from device.remote.live_settings import FRAMES, RECORDING, STATUS, Commit, LiveSettings
from device.remote.status import StatusReporter
from device.settings import Settings


def look_every_s(settings: Settings, gatekeeper: Gatekeeper | None) -> float:
    """Tell how often a frame is taken: more often than one is sent, where a gate chooses."""
    interval_s = settings.frames.interval_s
    return interval_s if gatekeeper is None else min(interval_s, settings.gate.look_s)


def follow_frames(
    live: LiveSettings,
    gatekeeper_for: Callable[[Settings], Gatekeeper | None],
    keeping: Keeping,
    choice: Choice,
    schedule: Schedule,
) -> None:
    """Have frames taken, chosen and stored as *live* says; *gatekeeper_for* builds a gate."""

    def adopt(settings: Settings) -> Commit:
        gatekeeper = gatekeeper_for(settings)

        def commit() -> None:
            keeping.settings = settings
            choice.change(gatekeeper)
            schedule.every(look_every_s(settings, gatekeeper))

        return commit

    live.watch(FRAMES, adopt)


def follow_status(live: LiveSettings, status: StatusReporter) -> None:
    """Have the status said as often as *live* says."""
    live.watch(STATUS, lambda settings: lambda: status.every(settings.status.every_s))


def follow_recording(live: LiveSettings, recording: Recording) -> None:
    """Have the camera recorded as *live* says."""

    def adopt(settings: Settings) -> Commit:
        if settings.recording.enabled:
            check_package()
        return lambda: recording.change(settings.recording)

    live.watch(RECORDING, adopt)
