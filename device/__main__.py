"""Watch a camera, send a frame each interval to the cloud, and print who is in it.

Results are printed one line a face, with times in UTC. SIGINT (Ctrl-C) and SIGTERM stop it: what
is on its way gets a few seconds to be answered. Exit status: 0 stopped as asked, or the clip ended
and all that was sent of it was answered; 1 the camera is gone, or frames of the clip were left
unanswered; 2 something is wrong that the message names.
"""

import argparse
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from device import allocation, logs
from device.agent import Agent
from device.arguments import read as read_arguments
from device.cameras.camera import Camera
from device.cameras.clip_camera import ClipCamera
from device.cameras.folder_camera import FolderCamera
from device.cameras.opencv_camera import LiveCamera, without_password
from device.cameras.pi_camera import PiCamera
from device.clock import utc_now
from device.doctor.command import doctor
from device.gate.building import gatekeeper_for
from device.joining.joining import joined, renew, renewed
from device.journal import Journal, Summary
from device.network import identity
from device.network.credentials import CredentialsEndpoint
from device.network.identity import Identity
from device.network.iot_link import IotLink
from device.network.s3_frame_store import S3FrameStore
from device.network.s3_segment_store import S3SegmentStore
from device.pulse import Pulse, Pulses
from device.recording.building import open_recording
from device.recording.lane import FramesFirst, Lane
from device.recording.recording import Recording
from device.remote import kept_settings
from device.remote.kept_settings import KeptSettings
from device.remote.live_settings import LiveSettings
from device.remote.shadow import Shadow
from device.remote.status import last_will
from device.remote.telling import Telling
from device.service import command as service
from device.settings import CameraSettings, Settings, is_path
from device.spooling.building import open_spool
from device.state_folder import state_folder
from device.time_of_day import TimeOfDay
from device.watchdog import Systemd, Watchdog
from sightline.errors import CameraError, ConfigError, SightlineError, TransportError
from sightline.topics import topic

log = logging.getLogger("device")

LINK_S = 120.0  # for how long the link's thread may make no progress; its time-outs are shorter


def main(argv: Sequence[str] | None = None) -> int:
    """Run the agent, or `install` and `uninstall` it; return the exit status."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] and words[0] in service.COMMANDS:
        return service.main(words)
    arguments = read_arguments(argv, __doc__)
    allocation.tighten()
    logs.configure(os.environ, verbose=arguments.verbose)
    if arguments.doctor:
        return doctor(arguments.config, arguments.camera, camera_of, as_json=arguments.json)
    stop = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: stop.set())
    try:
        if arguments.rotate:
            old, new = renew(arguments.config)
            print(renewed(old, new))  # noqa: T201
            return 0
        with (
            Watchdog(Systemd(os.environ), Pulses()) as watchdog,
            joined(arguments.config, stop) as settings,
        ):
            if settings is None:
                return 0
            settings = settings.with_camera(arguments.camera, loop=True if arguments.loop else None)
            summary = run(settings, arguments, stop, watchdog)
    except (ConfigError, CameraError, TransportError) as err:  # somebody can mend it: no traceback
        print(f"device: {err}", file=sys.stderr)  # noqa: T201
        return 2 if isinstance(err, ConfigError) else 1
    return exit_status(summary, stopped=stop.is_set())


def exit_status(summary: Summary, *, stopped: bool) -> int:
    """Tell how it went: 1 if a clip came to its end, and not all that was sent was answered."""
    return 1 if summary.unanswered and not stopped else 0


def run(
    settings: Settings, arguments: argparse.Namespace, stop: threading.Event, watchdog: Watchdog
) -> Summary:
    """Build an agent, the one place that names its adapters, and run it.

    Returns:
        All that it did.

    Raises:
        ConfigError: Something that the operator must mend.
        CameraError: The camera is missing or gone.
    """
    link_pulse = watchdog.pulses.of("link", within_s=LINK_S)
    gatekeeper = gatekeeper_for(settings)
    who = identity.read(settings.iot)
    validity = identity.validity(who, TimeOfDay())
    _go_on_with(validity.problem(), unattended=watchdog.unattended)
    store, link = _outside(settings, who, link_pulse, unattended=watchdog.unattended)
    with contextlib.ExitStack() as resources:
        resources.callback(link_pulse.end)
        telling = resources.enter_context(
            Telling(settings, arguments, unattended=watchdog.unattended)
        )
        journal, lane = Journal(), Lane()
        recording = resources.enter_context(
            open_recording(settings, os.environ, journal, S3SegmentStore(store.bucket, lane))
        )
        camera = camera_of(settings.camera, recording)
        spool = resources.enter_context(open_spool(settings, os.environ))
        _go_on_with(_prepared(store), unattended=watchdog.unattended)
        resources.enter_context(link)
        log.info("watching %s as %s", without_password(settings.camera.source), settings.thing)
        live = LiveSettings(settings)
        kept = KeptSettings(state_folder(settings.thing, os.environ) / kept_settings.FILE)
        agent = Agent(
            settings,
            camera,
            spool,
            FramesFirst(store, lane),
            link,
            observers=telling.observers,
            frames=arguments.frames,
            gatekeeper=gatekeeper,
            recording=recording,
            journal=journal,
            shadow=Shadow(settings.thing, live, kept),
            logged=telling.logged,
            troubles=[telling.trouble, validity.trouble, link.trouble],
            pulses=watchdog.pulses,
            unattended=watchdog.unattended,
        )
        agent.follow(live, gatekeeper_for)
        watchdog.describe(agent.describe)
        allocation.give_back()
        try:
            with _timer(arguments.seconds, agent.finish):
                agent.run(stop)
        finally:
            telling.sum_up(agent.summary())
        return agent.summary()


def _outside(
    settings: Settings, who: Identity, link_pulse: Pulse, *, unattended: bool
) -> tuple[S3FrameStore, IotLink]:
    """Make what speaks to the network; nothing is sent yet."""
    endpoint = CredentialsEndpoint(
        settings.storage.credentials_endpoint, settings.storage.role_alias, settings.thing, who
    )
    store = S3FrameStore(settings.storage, endpoint.fetch, connections=settings.uplink.uploads + 1)
    link = IotLink(
        settings.iot,
        who,
        settings.thing,
        will_topic=topic(settings.thing, "status"),
        will=lambda: last_will(settings.thing, utc_now()),
        alive=link_pulse.beat,
        unattended=unattended,
    )
    return store, link


def _prepared(store: S3FrameStore) -> SightlineError | None:
    """Make *store* ready ahead of the first frame, or say why that cannot be."""
    try:
        store.prepare()
    except SightlineError as err:
        return err
    return None


def _go_on_with(problem: SightlineError | None, *, unattended: bool) -> None:
    """Go on with what the cloud is to mend, or time.

    Raises:
        ConfigError: It is the operator's to mend, and somebody is there to read it.
    """
    if problem is None:
        return
    if isinstance(problem, ConfigError) and not unattended:
        raise problem
    log.warning("%s (going on without; trying again)", problem)


def camera_of(settings: CameraSettings, recording: Recording | None = None) -> Camera:
    """Choose the camera that *settings* ask for.

    Raises:
        ConfigError: There is none such.
    """
    if settings.source == "picamera2":
        return PiCamera(
            width=settings.width,
            height=settings.height,
            encoder=recording.pi_encoder if recording else None,
        )
    if not is_path(settings.source):
        return LiveCamera(
            settings.source,
            width=settings.width,
            height=settings.height,
            timeout_s=settings.timeout_s,
        )
    path = Path(settings.source)
    if path.is_dir():
        return FolderCamera(path, loop=settings.loop)
    return ClipCamera(path, loop=settings.loop)


@contextlib.contextmanager
def _timer(seconds: float | None, expired: Callable[[], None]) -> Iterator[None]:
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, expired)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


if __name__ == "__main__":
    sys.exit(main())
