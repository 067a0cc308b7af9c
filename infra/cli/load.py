"""`load …`: videos or frames, at a rate, and how a stack bears them."""

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import Progress

from infra.cli.console import err, print_table, say, tell
from infra.cli.context import operator, target
from infra.cli.video import SAMPLING
from infra.target import Target
from sightline.errors import ConfigError, SightlineError

if TYPE_CHECKING:
    from infra.load.tally import Run
    from infra.load.videos import Standing, Stores, VideoPlan

app = typer.Typer(help="Put load on a stack, and measure how it bears it.", no_args_is_help=True)

_UPLOADS_AT_ONCE = 32  # as many connections as a client of S3 keeps
_SENDERS = 64  # each waits for the broker's acknowledgement
_EVERY_S = 5.0

Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Where report.json and latency.png go.")
]
OUT = Path("load-results")


@app.command(epilog="Example: ./run load videos clips/ --rate 5 --concurrency 100 --repeat 10")
def videos(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of videos, or a video.")],
    rate: Annotated[float, typer.Option(min=0.001, help="Uploads a second.")] = 5,
    concurrency: Annotated[
        int, typer.Option(min=1, help="At most so many unanswered at once.")
    ] = 100,
    repeat: Annotated[int, typer.Option(min=1, help="Upload each so often.")] = 1,
    sampling: Annotated[
        str | None, typer.Option(help="As of `./run video`; unless given, as the stack is set.")
    ] = None,
    expected: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="file,name: who is to be seen in which, a row a person."),
    ] = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=1, help="Wait so many seconds for each.")
    ] = 600,
    out: Out = OUT,
    clean: Annotated[
        bool, typer.Option("--clean", help="Delete what was uploaded and made, at the end.")
    ] = False,
) -> None:
    """Upload videos at a rate, each under a name of its own, and wait for all results.

    A result is whole if NAME.txt, .csv and .json are in the output bucket and NAME.jpg is in
    stage-1. Ends with an error if one is not, or names other people than expected.
    """
    # Here, since it would make even `--help` wait.
    from cloud.videos.sampling import Sampling
    from infra.load.clock import RealClock
    from infra.load.expected import read_expected
    from infra.load.videos import VideoLoad, VideoPlan
    from infra.videos.files import videos_of

    files = [each.path for each in videos_of([folder])]
    named = read_expected(expected) if expected else {}
    if missing := sorted(named.keys() - {path.name for path in files}):
        raise ConfigError(f"{expected}: there is no video {missing[0]!r} in {folder}")
    metadata = {SAMPLING: str(Sampling.parse(sampling))} if sampling else {}
    plan = VideoPlan(
        run=secrets.token_hex(4),
        files=files,
        rate=rate,
        concurrency=concurrency,
        repeat=repeat,
        timeout_s=timeout_s,
        metadata=metadata,
        expected=named,
    )
    where = target(context)
    out.mkdir(parents=True, exist_ok=True)  # at the end it would be too late to learn it cannot be
    stores = _stores(where)
    say(f"{plan.count} videos at {rate:g}/s under {plan.prefix}; Ctrl-C stops and sums up")
    with _Showing() as show, ThreadPoolExecutor(_UPLOADS_AT_ONCE) as uploads:
        run = VideoLoad(plan, stores, clock=RealClock(), uploads=uploads, show=show).run()
    _sum_up(run, out, stack=where.stack, named=plan.run, concurrency=concurrency)
    if clean:
        _clean(where, plan)
    if any(each.failure for each in run.fates):
        raise typer.Exit(1)


@app.command(epilog="Example: ./run load frames --devices 20 --fps 2 --seconds 60")
def frames(
    context: typer.Context,
    devices: Annotated[int, typer.Option(min=1, max=999, help="How many light devices.")] = 20,
    fps: Annotated[float, typer.Option(min=0.01, max=30, help="Frames a second of each.")] = 2,
    seconds: Annotated[float, typer.Option(min=1, help="How long frames are taken.")] = 60,
    pictures: Annotated[
        Path | None,
        typer.Option("--pictures", metavar="DIR", help="JPEGs to send; else one person, drawn."),
    ] = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=1, help="Wait so many seconds for each.")
    ] = 60,
    out: Out = OUT,
) -> None:
    """Send frames of many light devices, and wait for the answer to each.

    A light device has no certificate: frames are stored, and published by the operator's right.
    What is measured is the time from the moment a camera would have taken a frame to its result.
    Ends with an error if a frame was not answered, or was rejected.
    """
    from infra.load.clock import RealClock
    from infra.load.frames import FrameLoad, FramePlan
    from infra.load.operator_way import OperatorWay
    from infra.load.pictures import made_pictures, read_pictures

    jpegs = read_pictures(pictures) if pictures else made_pictures()
    plan = FramePlan(
        run=secrets.token_hex(4), devices=devices, fps=fps, seconds=seconds, timeout_s=timeout_s
    )
    where = target(context)
    out.mkdir(parents=True, exist_ok=True)  # at the end it would be too late to learn it cannot be
    way = OperatorWay(
        lambda: operator(context),
        where.client("s3"),
        where.output("MediaBucket"),
        rate=fps * devices,
    )
    say(f"{plan.count} frames at {fps * devices:g}/s; Ctrl-C stops and sums up")
    with way, _Showing() as show, ThreadPoolExecutor(_SENDERS) as senders:
        load = FrameLoad(plan, way, jpegs, clock=RealClock(), senders=senders, show=show)
        run = load.run()
    _sum_up(run, out, stack=where.stack, named=plan.run, devices=devices, fps=fps)
    if any(each.failure for each in run.fates):
        raise typer.Exit(1)


class _Showing:
    """A bar on a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._progress = Progress(console=err, transient=True, disable=not err.is_terminal)
        self._told_s = 0.0

    def __enter__(self) -> "Callable[[Standing], None]":
        import time

        self._progress.start()
        bar = self._progress.add_task("", total=None)

        def show(standing: "Standing") -> None:
            said = f"{standing.ended} of {standing.of} answered, {standing.open} under way"
            said += f", {standing.failed} failed" if standing.failed else ""
            self._progress.update(
                bar, total=standing.of, completed=standing.ended, description=said
            )
            if not err.is_terminal and time.monotonic() - self._told_s > _EVERY_S:
                self._told_s = time.monotonic()
                say(said)

        return show

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _sum_up(run: "Run", out: Path, **facts: object) -> None:
    from infra.load import tally
    from infra.load.plot import latency_plot

    print_table(("", ""), [tuple(map(escape, row)) for row in tally.rows(run)], empty="")
    for line in tally.failures(run):
        say(f"sightline: {line}")
    tally.write_json(out / "report.json", run, **facts)
    latency_plot(run).save(out / "latency.png")
    tell(f"report  {out / 'report.json'}")
    tell(f"plot    {out / 'latency.png'}")


def _stores(where: Target) -> "Stores":
    from infra.load.videos import Stores
    from infra.videos.buckets import S3Bucket

    s3 = where.client("s3")
    return Stores(
        input=S3Bucket(s3, where.output("InputBucket")),
        stage=S3Bucket(s3, where.output("StageBucket")),
        output=S3Bucket(s3, where.output("OutputBucket")),
    )


def _clean(where: Target, plan: "VideoPlan") -> None:
    from infra.videos.buckets import S3Bucket

    for name in ("InputBucket", "StageBucket", "OutputBucket"):
        bucket = S3Bucket(where.client("s3"), where.output(name))
        try:
            bucket.delete(bucket.list(plan.prefix))
        except SightlineError as error:
            say(f"not cleaned: {error}")
