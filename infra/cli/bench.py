"""`bench …`: figures, measured here."""

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from infra.cli.console import print_table, say, tell

app = typer.Typer(help="Measure, on this machine.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Keep `bench` a group while it has one command."""


@app.command()
def pipeline(
    minutes: Annotated[float, typer.Option(help="How long the steady stream lasts.")] = 10,
    references: Annotated[int, typer.Option("--burst", help="References sent at once.")] = 200,
    workers: Annotated[int, typer.Option(min=1, help="Frames worked on at once.")] = 2,
    report: Annotated[
        Path | None, typer.Option("--out", help="Write the figures as JSON, too.")
    ] = None,
) -> None:
    """Latency by stage and memory over a steady stream of frames, then a burst of references.

    Frames are 1280×720 with one face, two a second, from the agent through the whole stack.
    """
    # Here, since ONNX Runtime and OpenCV would make even `--help` wait for them.
    from infra.bench import pipeline as measured
    from infra.demo.rehearsal import Rehearsal

    scratch = Path(tempfile.mkdtemp(prefix="sightline-bench-"))
    try:
        with Rehearsal(scratch, workers=workers, say=say) as rehearsal:
            say(f"two frames a second for {minutes:g} minutes …")
            steady = measured.endure(rehearsal, seconds=minutes * 60, say=say)
            say(f"a burst of {references} references …")
            many = measured.burst(rehearsal, count=references, say=say)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print_table(("stage", "p50 ms", "p95 ms", "share"), measured.as_rows(steady.stages), empty="")
    tell(f"\nall but inference  p50 {steady.not_inference_p50_ms:.1f} ms")
    tell(
        f"steady  {steady.captured} captured, {steady.answered} answered, "
        f"{steady.dropped} dropped, {steady.unanswered} unanswered, "
        f"{steady.answered_twice_as_new} answered twice as new"
    )
    for name, (start, end) in steady.memory_mb.items():
        tell(f"memory  {name:18} {start:7.1f} MB → {end:7.1f} MB")
    tell(
        f"burst   {many.sent} sent, {many.answered} answered in {many.seconds:.1f} s, "
        f"{many.answered_twice_as_new} twice as new; at most {many.most_at_once} at once of "
        f"{many.workers} workers"
    )
    if report is not None:
        measured.write(report, [steady, many])
    whole = steady.answered == steady.captured and many.answered == many.sent
    if not whole or steady.answered_twice_as_new or many.answered_twice_as_new:
        raise typer.Exit(1)
