"""`fleet`: many devices at once, on a network that fails, and what became of each frame."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.console import print_table, say, tell
from sightline.errors import ConfigError

if TYPE_CHECKING:
    from infra.fleet.show import Wish

app = typer.Typer()


@app.command(epilog="Example: ./run fleet --devices 10 --minutes 1 --faults wifi")
def fleet(
    devices: Annotated[int, typer.Option(min=1, max=500, help="How many agents.")] = 50,
    minutes: Annotated[float, typer.Option(min=0.05, help="How long frames are taken.")] = 5,
    faults: Annotated[
        str, typer.Option(help="none, wifi, or outage-hour (an hour in fast motion).")
    ] = "wifi",
    fps: Annotated[
        float | None,
        typer.Option(
            help="Frames a second and device; unless given, what the recognition keeps up with."
        ),
    ] = None,
    recogniser: Annotated[
        str,
        typer.Option(help="real: the function on a stack; light: mosquitto, and nobody is found."),
    ] = "real",
    processes: Annotated[
        int, typer.Option(min=1, help="For the agents, as threads in them.")
    ] = min(2, os.cpu_count() or 1),
    workers: Annotated[int, typer.Option(min=1, help="Frames recognised at once.")] = os.cpu_count()
    or 1,
    gate: Annotated[
        str, typer.Option(help="Which frames are sent: off (each), motion or faces.")
    ] = "off",
    seed: Annotated[int, typer.Option(help="Another number makes other weather.")] = 0,
    picture: Annotated[
        Path, typer.Option("--picture", metavar="PNG", help="Where the timeline goes.")
    ] = Path("fleet.png"),
    report: Annotated[
        Path | None, typer.Option("--out", help="Write each frame's fate as JSON, too.")
    ] = None,
) -> None:
    """Run many agents through a network that fails, and account for each frame they captured.

    It is a stack of its own, on free ports, that goes when it is done. Ends with an error if a
    frame was neither answered once nor dropped for a stated reason, or a face got a wrong name.
    """
    if recogniser not in ("real", "light"):
        raise ConfigError(f"--recogniser: expected real or light, got {recogniser!r}")
    if gate not in ("off", "motion", "faces"):
        raise ConfigError(f"--gate: expected off, motion or faces, got {gate!r}")
    if picture.suffix.lower() != ".png" or not picture.absolute().parent.is_dir():
        raise ConfigError(
            f"--picture {picture}: expected a name ending in .png in a folder there is"
        )
    if report is not None and not report.absolute().parent.is_dir():
        raise ConfigError(f"--out {report}: there is no such folder")
    # Here, since ONNX Runtime and OpenCV would make even `--help` wait for them.
    from infra.fleet.show import Wish
    from infra.fleet.weather import PROFILES

    if faults not in PROFILES:
        raise ConfigError(f"--faults: expected {', '.join(PROFILES)}, got {faults!r}")
    if fps is not None and not 0.01 <= fps <= 10:
        raise ConfigError(f"--fps: expected 0.01 to 10, got {fps}")
    wish = Wish(
        devices=devices,
        seconds=60 * minutes,
        faults=faults,
        fps=fps,
        processes=processes,
        workers=workers,
        light=recogniser == "light",
        seed=seed,
        gate=gate,
    )
    failure = _play(wish, picture, report)
    if failure:
        say(f"sightline: {failure}")
        raise typer.Exit(1)


def _play(wish: "Wish", picture: Path, report: Path | None) -> str | None:
    from device.settings import UplinkSettings
    from device.spooling.settings import SpoolSettings
    from infra.fleet import report as reports
    from infra.fleet.show import play
    from infra.fleet.timeline import timeline
    from infra.fleet.weather import clock_factor

    if wish.faults == "outage-hour":
        factor = clock_factor(wish.seconds)
        say(f"the hour takes {3600 / factor:.0f} s: it goes {factor:.0f} times faster than real")
    scratch = Path(tempfile.mkdtemp(prefix="sightline-fleet-"))
    try:
        played = play(wish, scratch, say)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    outcome = played.outcome
    timeline(outcome).save(picture)
    tell("")
    print_table(("", ""), reports.rows(outcome), empty="")
    tell("")
    tell(f"recogniser: {played.recogniser}")
    tell(played.pace)
    spool, uplink = SpoolSettings(), UplinkSettings()
    tell(reports.policy(spool.max_age_s, spool.max_frames, uplink.answer_timeout_s))
    for line in reports.named(outcome):
        tell(line)
    tell(f"timeline  {picture}")
    if report is not None:
        reports.write_json(report, outcome, recogniser=played.recogniser, pace=played.pace)
        tell(f"each frame's fate  {report}")
    return outcome.failure
