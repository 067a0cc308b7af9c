"""Watch a camera, send a frame each interval to the cloud, and print who is in it.

Results are printed one line a face, with times in UTC. SIGINT (Ctrl-C) and SIGTERM stop it: what
is on its way gets a few seconds to be answered. Exit status: 0 stopped as asked, or the clip ended
and all that was sent of it was answered; 1 the camera is gone, or frames of the clip were left
unanswered or given up; 2 something is wrong that the message names.
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

import cv2

from device import identity
from device.agent import Agent
from device.camera import Camera
from device.clip_camera import ClipCamera
from device.clock import utc_now
from device.credentials import CredentialsEndpoint
from device.folder_camera import FolderCamera
from device.hook import Hook
from device.iot_link import IotLink
from device.journal import Summary
from device.lines import lines, machine_line, summary_lines
from device.memory_spool import MemorySpool
from device.opencv_camera import LiveCamera, without_password
from device.output import Output
from device.pi_camera import PiCamera
from device.report import Report, summary_line
from device.results import Outcome
from device.s3_frame_store import S3FrameStore
from device.settings import CameraSettings, Settings, is_path
from device.status import last_will
from sightline import __version__
from sightline.errors import CameraError, ConfigError, TransportError
from sightline.topics import topic

log = logging.getLogger("device")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the agent; return the exit status."""
    arguments = _arguments(argv)
    _configure_logging(arguments.verbose)
    stop = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: stop.set())
    try:
        settings = Settings.load(arguments.config).with_camera(
            arguments.camera, loop=True if arguments.loop else None
        )
        summary = run(settings, arguments, stop)
    except (ConfigError, CameraError) as err:  # the operator's to mend, so no traceback
        print(f"device: {err}", file=sys.stderr)  # noqa: T201
        return 2 if isinstance(err, ConfigError) else 1
    return exit_status(summary, stopped=stop.is_set())


def exit_status(summary: Summary, *, stopped: bool) -> int:
    """Tell how it went: 1 if a clip came to its end, and not all that was sent was answered."""
    return 1 if (summary.unanswered or summary.given_up) and not stopped else 0


def run(settings: Settings, arguments: argparse.Namespace, stop: threading.Event) -> Summary:
    """Build an agent, the one place that names its adapters, and run it.

    Returns:
        All that it did.

    Raises:
        ConfigError: Something that the operator must mend.
        CameraError: The camera is missing or gone.
    """
    who = identity.load(settings.iot)
    endpoint = CredentialsEndpoint(
        settings.storage.credentials_endpoint, settings.storage.role_alias, settings.thing, who
    )
    store = S3FrameStore(settings.storage, endpoint.fetch, connections=settings.uplink.uploads)
    link = IotLink(
        settings.iot,
        who,
        settings.thing,
        will_topic=topic(settings.thing, "status"),
        will=lambda: last_will(settings.thing, utc_now()),
    )
    with contextlib.ExitStack() as resources:
        report = resources.enter_context(Report(arguments.report)) if arguments.report else None
        out = Output(sys.stdout, "standard output")
        observers = _observers(settings, arguments, out, report, resources)
        camera = camera_of(settings.camera)
        try:
            store.prepare()
        except TransportError as err:
            log.warning("%s (going on without; trying again)", err)
        resources.enter_context(link)
        log.info("watching %s as %s", without_password(settings.camera.source), settings.thing)
        agent = Agent(
            settings,
            camera,
            MemorySpool(max_frames=settings.spool.max_frames, max_bytes=settings.spool.max_bytes),
            store,
            link,
            observers=observers,
            frames=arguments.frames,
        )
        try:
            with _timer(arguments.seconds, agent.finish):
                agent.run(stop)
        finally:
            _sum_up(agent, arguments, out, report)
        return agent.summary()


def camera_of(settings: CameraSettings) -> Camera:
    """Choose the camera that *settings* ask for.

    Raises:
        ConfigError: There is none such.
    """
    if settings.source == "picamera2":
        return PiCamera(width=settings.width, height=settings.height)
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


def _observers(
    settings: Settings,
    arguments: argparse.Namespace,
    out: Output,
    report: Report | None,
    resources: contextlib.ExitStack,
) -> list[Callable[[Outcome], None]]:
    observers = [_printer(out, as_json=arguments.json)]
    if report is not None:
        observers.append(report.result)
    wanted = settings.results
    if wanted.hook:
        hook = Hook(
            wanted.hook,
            timeout_s=wanted.hook_timeout_s,
            processes=wanted.hook_processes,
            stop_timeout_s=settings.uplink.stop_timeout_s,
        )
        observers.append(resources.enter_context(hook).result)
    return observers


def _printer(out: Output, *, as_json: bool) -> Callable[[Outcome], None]:
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def show(outcome: Outcome) -> None:
        out.write(*([machine_line(outcome)] if as_json else lines(outcome, colour=colour)))

    return show


def _sum_up(
    agent: Agent, arguments: argparse.Namespace, out: Output, report: Report | None
) -> None:
    summary = agent.summary()
    if not summary.captured:  # then what went wrong says it all
        return
    if report is not None:
        report.summary(summary)
    if arguments.json:
        out.write(summary_line(summary))
    else:
        written = summary_lines(summary, every_stage=arguments.verbose)
        Output(sys.stderr, "standard error").write(*written)


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


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m device",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config",
        type=Path,
        default=Path("/etc/sightline/device.toml"),
        metavar="FILE",
        help="the device's settings (default: %(default)s)",
    )
    parser.add_argument(
        "--camera",
        metavar="SOURCE",
        help="instead of the settings': picamera2, usb:0, rtsp://…, a clip or a folder of pictures",
    )
    parser.add_argument(
        "--loop", action="store_true", help="begin a clip or folder again at its end"
    )
    parser.add_argument(
        "--frames", type=_count, metavar="N", help="end when N frames have been taken and answered"
    )
    parser.add_argument(
        "--seconds", type=_seconds, metavar="S", help="end after S seconds and the last answer"
    )
    parser.add_argument(
        "--json", action="store_true", help="print a line of JSON for each result, and the summary"
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="write the same lines of JSON to FILE"
    )
    parser.add_argument(
        "--verbose", action="store_true", help="log more, and tell how long each stage took"
    )
    parser.add_argument("--version", action="version", version=f"sightline {__version__}")
    return parser.parse_args(argv)


def _count(text: str) -> int:
    with contextlib.suppress(ValueError):
        if (number := int(text)) >= 1:
            return number
    raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, got {text!r}")


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < (number := float(text)) <= threading.TIMEOUT_MAX:
            return number
    raise argparse.ArgumentTypeError(f"expected a number of seconds over 0, got {text!r}")


def _configure_logging(verbose: bool) -> None:
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    # These log whole requests, with their tokens, at DEBUG, and tracebacks at WARNING.
    logging.getLogger("botocore").setLevel(logging.ERROR)
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    if not verbose:  # what OpenCV and FFmpeg print says less than our own errors
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


if __name__ == "__main__":
    sys.exit(main())
