"""`gate`: what of a clip would be sent, so that the gate can be tuned before it is trusted."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.console import err, print_table, say, tell
from sightline.errors import ConfigError

if TYPE_CHECKING:
    from device.cameras.camera import Captured
    from device.gate.settings import GateSettings
    from infra.gating.trial import Look, Trial

app = typer.Typer()

_REASONS = {
    "first": "passed: the first frame",
    "motion": "passed: something moves",
    "present": "passed: something stands that was not there, or moved just now",
    "face": "passed: a face",
    "keepalive": "passed: keepalive",
    "interval": "one was sent less than interval_s ago",
    "wait": "somebody may be there; looked at again each recheck_s",
    "budget": "the face check has had its share of the processor",
    "blurred": "a sharper frame was waited for",
    "no_face": "checked, no face",
    "light": "the light was switched",
    "still": "nothing moves",
}


@app.command(epilog="Example: ./run gate clip.mp4")
def gate(
    source: Annotated[
        str, typer.Argument(metavar="CLIP", help="A clip, a folder, usb:0, rtsp://… or picamera2.")
    ],
    mode: Annotated[str, typer.Option(help="motion or faces.")] = "faces",
    threshold: Annotated[
        float, typer.Option(help="Motion: the share of the picture that must have changed.")
    ] = 0.005,
    hold_s: Annotated[float, typer.Option("--hold", help="Seconds looked on after motion.")] = 5,
    recheck_s: Annotated[
        float, typer.Option("--recheck", help="Seconds between looks while nobody stirs.")
    ] = 2,
    burst_s: Annotated[
        float, typer.Option("--burst", help="Seconds that a better frame is waited for.")
    ] = 0.3,
    keepalive_s: Annotated[
        float, typer.Option("--keepalive", help="A frame each so many seconds; 0: none.")
    ] = 0,
    smallest_px: Annotated[int, typer.Option("--smallest", help="Smallest face, px.")] = 40,
    share: Annotated[float, typer.Option(help="Of one core, for the face check.")] = 0.25,
    look_s: Annotated[float, typer.Option("--look", help="Seconds between looks.")] = 0.1,
    interval_s: Annotated[
        float, typer.Option("--interval", min=0.02, help="At most one frame each so many seconds.")
    ] = 0.5,
    seconds: Annotated[
        float, typer.Option(min=0.5, help="How long a live camera is watched.")
    ] = 30,
    truth: Annotated[
        bool, typer.Option("--truth", help="Look for faces in every frame, too: slow.")
    ] = False,
    picture: Annotated[
        Path, typer.Option("--out", metavar="PNG", help="Where the timeline goes.")
    ] = Path("gate.png"),
) -> None:
    """Play a clip through the gate: what would be sent, why, at what cost; and a timeline.

    A clip or a folder is played as fast as it goes, in its own time; its file stays as it is.
    """
    from device.gate.settings import FaceSettings, GateSettings, MotionSettings

    if mode not in ("motion", "faces"):
        raise ConfigError(f"--mode: expected motion or faces, got {mode!r}")
    settings = GateSettings(
        mode=mode,
        look_s=look_s,
        hold_s=hold_s,
        recheck_s=recheck_s,
        burst_s=burst_s,
        keepalive_s=keepalive_s,
        motion=MotionSettings(threshold=threshold),
        faces=FaceSettings(smallest_px=smallest_px, share=share),
    )
    if picture.suffix.lower() != ".png" or not picture.absolute().parent.is_dir():
        raise ConfigError(f"--out {picture}: expected a name ending in .png in a folder there is")
    trial = _try(source, settings, interval_s, seconds=seconds, with_truth=truth)
    if not trial.looks:
        raise ConfigError(f"{source}: gave no frame")
    _tell(trial)
    from infra.gating.timeline import timeline

    timeline(trial, f"The gate on {_name(source)}").save(picture)
    tell("")
    tell("[gate]                        # in device.toml, to have it so")
    for line in _toml(settings):
        tell(line)
    say(f"timeline: {picture}")


def _try(
    source: str, settings: "GateSettings", interval_s: float, *, seconds: float, with_truth: bool
) -> "Trial":
    # Here, since ONNX Runtime and OpenCV would make even `--help` wait for them.
    import cv2

    from device.gate.building import face_finder
    from device.settings import CameraSettings
    from infra.gating.trial import attempt, usable_faces

    cv2.setNumThreads(1)  # costs are told of one core
    camera = CameraSettings(source=source)
    finder = face_finder(settings, camera) if settings.mode == "faces" else None
    frames, total_s = _frames(camera.source, settings, interval_s, seconds)
    with _progress(total_s) as watch:
        return attempt(
            frames,
            settings,
            finder,
            interval_s=interval_s,
            truth=usable_faces() if with_truth else None,
            watch=watch,
        )


def _frames(
    source: str, settings: "GateSettings", interval_s: float, seconds: float
) -> "tuple[Iterator[Captured], float | None]":
    """Open a source; how long it will be, if that is known."""
    from device.__main__ import camera_of
    from device.cameras.clip_camera import ClipCamera
    from device.cameras.folder_camera import FolderCamera
    from device.settings import CameraSettings, is_path
    from infra.gating.live import clip_seconds, watched
    from infra.gating.trial import PlayedTime, played

    path = Path(source)
    if not is_path(source):
        return watched(camera_of(CameraSettings(source=source)), settings.look_s, seconds), seconds
    if path.is_dir():  # its pictures are taken to be as far apart as frames that are sent
        pace = PlayedTime(interval_s)
        return played(FolderCamera(path, clock=pace), pace), None
    pace = PlayedTime(settings.look_s)
    return played(ClipCamera(path, clock=pace), pace), clip_seconds(path)


@contextlib.contextmanager
def _progress(total_s: float | None) -> "Iterator[Callable[[Look], None]]":
    """Show how far it is: a line that changes on a terminal, one each ten seconds else."""
    begun_s = shown_s = time.monotonic()
    start_s: float | None = None
    with err.status("opening …") if err.is_terminal else contextlib.nullcontext() as status:

        def watch(look: "Look") -> None:
            nonlocal shown_s, start_s
            start_s = look.at_s if start_s is None else start_s
            now_s = time.monotonic()
            if now_s - shown_s < (0.2 if status else 10):
                return
            shown_s = now_s
            of = f" of {total_s:.0f}" if total_s else ""
            line = f"{look.at_s - start_s:.0f}{of} s played in {now_s - begun_s:.0f} s"
            if status:
                status.update(line)
            else:
                say(line)

        yield watch


def _tell(trial: "Trial") -> None:
    from infra.gating.trial import p50, p95

    looks = len(trial.looks)
    rows = [
        (_REASONS[reason], str(count), f"{100 * count / looks:.1f} %")
        for reason, count in sorted(trial.reasons().items(), key=lambda item: -item[1])
    ]
    print_table(("frames looked at", "", "share"), rows, empty="")
    tell("")
    sent = trial.sent
    per_hour = 3600 * len(sent) / max(trial.seconds, trial.interval_s)
    tell(
        f"sent     {len(sent)} of {looks} looked at ({100 * len(sent) / looks:.1f} %) in "
        f"{trial.seconds:.1f} s: {per_hour:.0f} an hour at this rate"
    )
    tell(f"when     {_times([look.at_s - trial.looks[0].at_s for look in sent])}")
    rest, checks = trial.rest_ms(), trial.checks_ms()
    tell(f"cost     {p50(rest):.2f} ms a frame (p95 {p95(rest):.2f}), of one core of this machine")
    if trial.mode == "faces":
        cost = f"{p50(checks):.1f} ms a face check (p95 {p95(checks):.1f})"
        tell(f"         {cost}, {len(checks)} made")
    there = [look for look in trial.looks if look.usable]
    if any(look.usable is not None for look in trial.looks):
        missed = len(trial.missed())
        tell(
            f"truth    {len(there)} frames with a usable face, {missed} missed "
            f"({100 * missed / max(1, len(there)):.1f} %)"
        )


def _times(times_s: list[float]) -> str:
    """Write the first and last few."""
    words = [f"{each:.1f}" for each in times_s]
    if len(words) > 16:
        words = [*words[:10], "…", *words[-5:]]
    return (", ".join(words) + " s") if words else "never"


def _toml(settings: "GateSettings") -> list[str]:
    return [
        f'mode = "{settings.mode}"',
        f"look_s = {settings.look_s:g}",
        f"hold_s = {settings.hold_s:g}",
        f"recheck_s = {settings.recheck_s:g}",
        f"burst_s = {settings.burst_s:g}",
        f"keepalive_s = {settings.keepalive_s:g}",
        "[gate.motion]",
        f"threshold = {settings.motion.threshold:g}",
        "[gate.faces]",
        f"smallest_px = {settings.faces.smallest_px}",
        f"share = {settings.faces.share:g}",
    ]


def _name(source: str) -> str:
    """A source's name without what may be a password in it."""
    from device.cameras.opencv_camera import without_password
    from device.settings import is_path

    return Path(source).name if is_path(source) else without_password(source)
