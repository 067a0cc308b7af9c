"""`bench video`, `video-chain` and `http`: what comes by a file or a request, on this machine."""

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.console import print_table, say, tell

if TYPE_CHECKING:
    from infra.bench.video_chain import ManyFilms


def video(
    runs: Annotated[int, typer.Option(min=1, help="Runs of each; the best counts.")] = 3,
) -> None:
    """Decoding a film of a minute and taking its stills, × real time; takes a minute."""
    # Here, since PyAV and OpenCV would make even `--help` wait for them.
    from infra.bench import video as measured

    found = measured.measure(say, runs=runs)
    print_table(measured.COLUMNS, measured.as_rows(found), empty="")
    if not measured.reached(found):
        raise typer.Exit(1)


def video_chain(
    count: Annotated[int, typer.Option("--videos", min=1, help="Films of 3 s at once.")] = 100,
    seconds: Annotated[int, typer.Option(min=3, help="The one film's length.")] = 60,
    workers: Annotated[int, typer.Option(min=1, help="Stills worked on at once.")] = 2,
    report: Annotated[
        Path | None, typer.Option("--out", help="Write the figures as JSON, too.")
    ] = None,
) -> None:
    """One film of a minute through the chain, then a hundred of 3 s at once; memory of workers.

    Films are 1280×720 at 30 frames a second with one face. The hundred go twice: with two stills a
    second, and then to one worker with ten, where the networks are what the rest waits for. Takes
    five minutes.
    """
    # Here, since ONNX Runtime and OpenCV would make even `--help` wait for them.
    from infra.bench import video_chain as measured
    from infra.demo.rehearsal import Rehearsal

    if report is not None:
        report.touch()  # now, not after minutes, shows whether it can be written
    scratch = Path(tempfile.mkdtemp(prefix="sightline-bench-"))
    try:
        with Rehearsal(scratch / "many", workers=workers, say=say) as rehearsal:
            chain = measured.VideoChain(rehearsal, sampling=measured.SAMPLING, say=say)
            chain.warm_up()
            long = chain.long_film(seconds)
            many = chain.many_films(count)
        with Rehearsal(scratch / "dense", workers=1, say=say) as rehearsal:
            chain = measured.VideoChain(rehearsal, sampling=measured.DENSE, say=say)
            chain.warm_up()
            dense = chain.many_films(count)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    tell(f"one film of {long.film_s:g} s: {long.stills} stills in {long.whole_s:.1f} s")
    for each in (many, dense):
        _tell(each)
    checked = measured.bounds(long, many, dense)
    rows = [
        (what, f"{is_:.2f}", f"{to:g}", "holds" if ok else "DOES NOT")
        for what, is_, to, ok in checked
    ]
    print_table(("", "measured", "bound", ""), rows, empty="")
    if report is not None:
        measured.write(report, long, many, dense)
    if not all(ok for *_, ok in checked):
        raise typer.Exit(1)


def _tell(many: "ManyFilms") -> None:
    tell(
        f"{many.videos} films at once, {many.sampling}, workers: {many.workers}: {many.answered} "
        f"answered in {many.seconds:.1f} s, {many.videos_per_s:.2f} videos/s, "
        f"{many.stills_per_s:.1f} stills/s; one worker's engine alone: "
        f"{many.engine_per_s:.1f} stills/s"
    )
    tell(
        f"by the clock that is {many.share:.2f} of workers × engine, and {many.share_of_cores:.2f} "
        f"of what {many.cores} cores could do if there were but the cutting "
        f"({many.split_s:.2f} s a film) and the engine"
    )
    if many.latency_p50_s is not None and many.latency_p95_s is not None:
        tell(
            f"latency p50 / p95 / max: {many.latency_p50_s:.1f} / {many.latency_p95_s:.1f} / "
            f"{many.latency_max_s:.1f} s"
        )
    parts = [
        (name, f"{size:.0f} MB", f"{many.processes[name]}", f"{many.cpu_s[name]:.1f} s")
        for name, size in many.memory_mb.items()
    ]
    print_table(("part", "memory of one", "processes", "processor time"), parts, empty="")
    for line in many.failed:
        say(f"sightline: {line}")


def http(
    requests: Annotated[int, typer.Option(min=1, help="Pictures, after 20 to warm up.")] = 60,
) -> None:
    """A picture over HTTP, warm: what its way takes beside the networks."""
    from infra.bench import http as measured
    from infra.demo.rehearsal import Rehearsal

    scratch = Path(tempfile.mkdtemp(prefix="sightline-bench-"))
    try:
        with Rehearsal(scratch, workers=2, say=say) as rehearsal:
            found = measured.measure(rehearsal, say=say, requests=requests)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print_table(measured.COLUMNS, measured.as_rows(found), empty="")
    if not found.reached:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the commands to the benchmarks."""
    app.command(epilog="Example: ./run bench http")(http)
    app.command(epilog="Example: ./run bench video")(video)
    app.command(epilog="Example: ./run bench video-chain --videos 100")(video_chain)
