"""`bench …`: figures, measured here."""

import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from infra.cli.console import print_table, say, tell
from infra.cli.context import STATE
from sightline.errors import ConfigError

app = typer.Typer(help="Measure, on this machine.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Keep `bench` a group while it has one command."""


@app.command(epilog="Example: ./run bench pipeline --minutes 1")
def pipeline(
    minutes: Annotated[float, typer.Option(min=0.5, help="How long the steady stream lasts.")] = 10,
    references: Annotated[int, typer.Option("--burst", min=1, help="References at once.")] = 200,
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

    if report is not None:
        report.touch()  # now, not after ten minutes, shows whether it can be written
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
    tell("")
    for what, figure, most in measured.bounds(steady):
        tell(f"{what:28} {figure:7.1f} ms  {'within' if figure <= most else 'OVER'} {most:g} ms")
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
    twice = steady.answered_twice_as_new or many.answered_twice_as_new
    if not whole or twice or many.most_at_once > many.workers:
        raise typer.Exit(1)


@app.command(epilog="Example: ./run bench gallery --rows 10000")
def gallery(
    sizes: Annotated[
        list[int] | None, typer.Option("--rows", min=2, help="Embeddings enrolled; repeatable.")
    ] = None,
    dimensions: Annotated[
        list[int] | None, typer.Option("--dimension", help="Numbers in each; repeatable.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--out", help="Write the figures as JSON, too.")
    ] = None,
) -> None:
    """One face against everybody, on one core: ours beside NumPy, and usearch and faiss if there.

    A million embeddings of 512 numbers take 6 GB of memory here, and 3 GB of disk for a moment.
    """
    # Here, since NumPy would make even `--help` wait for it.
    from infra.bench import gallery as measured
    from infra.bench.gallery_ways import OURS

    figures: list[measured.Figure] = []
    every = [
        (rows, dimension)
        for dimension in dimensions or (128, 512)
        for rows in sizes or (1_000, 10_000, 100_000, 1_000_000)
    ]
    for done, (rows, dimension) in enumerate(every, 1):
        say(f"{done}/{len(every)}  {rows:,} embeddings of {dimension} numbers")
        figures += measured.measure(rows, dimension)
    print_table(measured.COLUMNS, measured.as_rows(figures), empty="")
    if report is not None:
        report.write_text(json.dumps([asdict(each) for each in figures], indent=1) + "\n")
    if any(each.recall < 1 for each in figures if each.way == OURS):
        raise typer.Exit(1)


@app.command(epilog="Example: ./run bench cold-start --runs 3")
def cold_start(
    engine: Annotated[str, typer.Option(help="As `./run engines` lists them.")] = "dlib",
    runs: Annotated[int, typer.Option(min=1, help="Starts of each way; the best counts.")] = 7,
    reference: Annotated[
        Path | None,
        typer.Option(metavar="PYTHON", help="An interpreter with facenet-pytorch, to compare."),
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Where engines lie.")] = None,
) -> None:
    """Time from the start of a process to its first frame answered: 1280×720, one face."""
    from infra.bench import cold_start as measured

    scratch = Path(tempfile.mkdtemp(prefix="sightline-bench-"))
    try:
        starts = measured.cold_start(
            scratch, engine=engine, runs=runs, folder=folder, reference=reference, say=say
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    ours = starts[0].total_ms
    rows = [
        (
            start.name,
            f"{start.total_ms / ours:.2f}",
            f"{start.total_ms:.0f}",
            f"{sorted(start.times_ms)[len(start.times_ms) // 2]:.0f}",
            " ".join(f"{name} {ms:.0f}" for name, ms in start.stages.items()),
            f"{start.resident_mb:.0f}",
        )
        for start in starts
    ]
    print_table(("start", "÷ ours", "ms", "median", "done at, ms", "resident MB"), rows, empty="")


@app.command(epilog="Example: ./run bench handler")
def handler(
    engine: Annotated[str, typer.Option(help="As `./run engines` lists them.")] = "dlib",
    frames: Annotated[int, typer.Option(min=20, help="Frames served, after ten to warm up.")] = 300,
    folder: Annotated[Path | None, typer.Option(help="Where engines lie.")] = None,
) -> None:
    """What the function adds to the networks' time, warm, on one core, without AWS.

    Frames are 1280×720 with one face; S3, DynamoDB and AWS IoT are this process's own memory.
    """
    # Here, since ONNX Runtime and OpenCV would make even `--help` wait for them.
    from infra.bench import handler as measured

    rows = measured.measure(engine=engine, folder=folder, frames=frames)
    print_table(("part", "p50 ms", "p95 ms"), measured.as_rows(rows), empty="")
    ours, most = measured.overhead(rows), measured.MOST_MS
    tell(
        f"all but networks, p50: {ours:.1f} ms  {'within' if ours <= most else 'OVER'} {most:g} ms"
    )
    if ours > most:
        raise typer.Exit(1)


@app.command(epilog="Example: ./run bench engine --yes")
def engine(
    reference: Annotated[
        bool,
        typer.Option(
            "--reference/--no-reference", help="Measure facenet-pytorch and dlib beside ours."
        ),
    ] = True,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before 5 GB.")] = False,
    turns: Annotated[int, typer.Option(min=1, help="How often each side works on each.")] = 5,
    markdown: Annotated[
        Path | None, typer.Option(help="Put the tables into this file, such as docs/benchmarks.md.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--out", help="Write the figures as JSON, too.")
    ] = None,
) -> None:
    """Detector and engines, frames a second on one core, beside facenet-pytorch and dlib.

    The reference gets an environment of its own, once: about 5 GB, since PyPI's torch brings CUDA.
    """
    from infra.bench.reference import GIGABYTES, find_reference, make_reference

    python, folder = None, STATE / "reference"
    if reference:
        python = find_reference(folder)
        if python is None:
            say(f"the reference, facenet-pytorch and its torch, takes {GIGABYTES} GB in {folder}")
            if not yes:
                typer.confirm(
                    "Download it? (--no-reference measures ours alone)", abort=True, err=True
                )
            python = make_reference(folder, say)
    # Here, since ONNX Runtime and OpenCV would make even `--help` wait for them.
    from infra.bench import engine as measured
    from infra.bench import report as reports

    scratch = Path(tempfile.mkdtemp(prefix="sightline-bench-"))
    try:
        results = measured.measure(scratch, python=python, turns=turns, say=say)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    for columns, rows in reports.tables(results):
        print_table(columns, rows, empty="")
        tell("")
    tell(f"{reports.machine()}; frames: {results.pictures}")
    for note in results.notes:
        tell(note)
    if markdown is not None:
        options = "" if reference else " --no-reference"
        reports.write_markdown(markdown, results, f"./run bench engine{options} --turns {turns}")
    if report is not None:
        report.write_text(json.dumps(asdict(results), indent=1) + "\n")


@app.command(epilog="Example: ./run bench image --own")
def image(
    engine: Annotated[str, typer.Option(help="As `./run engines` lists them.")] = "dlib",
    runs: Annotated[int, typer.Option(min=1, help="Cold starts; the best counts.")] = 7,
    others: Annotated[
        bool, typer.Option("--others/--own", help="Weigh the other architecture's image, too.")
    ] = True,
    folder: Annotated[Path | None, typer.Option(help="Where engines lie.")] = None,
) -> None:
    """The functions' container: size by part, and from a new process to its first answer.

    It is put together in a scratch folder without docker, runs on one core with nothing else on
    its path, and answers a frame of 1280×720 with one face. S3, DynamoDB and IoT are MiniStack's.
    """
    # Here, since ONNX Runtime and OpenCV would make even `--help` wait for them.
    from infra.bench import image as measured

    scratch = Path(tempfile.mkdtemp(prefix="sightline-bench-"))
    try:
        result = measured.measure(
            scratch, engine=engine, folder=folder, runs=runs, others=others, say=say
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print_table(measured.COLUMNS, measured.as_rows(result), empty="")
    tell("")
    bounds = measured.bounds(result)
    for what, figure, most, unit in bounds:
        verdict = "" if most is None else f"{'within' if figure <= most else 'OVER'} {most}"
        tell(f"{what:28} {figure:5.0f} {unit}  {verdict}".rstrip())
    if any(figure > most for _, figure, most, _ in bounds if most is not None):
        raise typer.Exit(1)


@app.command(epilog="Example: ./run bench device --part spool")
def device(
    parts: Annotated[
        list[str] | None,
        typer.Option("--part", help="spool, gate, instructions, recording or agent alone."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--out", help="Write the figures as JSON, too.")
    ] = None,
) -> None:
    """What a device's parts cost in time, memory and wear, and its gate in frames missed.

    The spool takes 600 MB of disk for a moment; instructions are counted by valgrind, and the
    whole agent runs on mosquitto.
    """
    from infra.bench import device as measured

    chosen = parts or [*measured.PARTS]
    for part in chosen:
        if part not in measured.PARTS:
            raise ConfigError(f"--part {part}: there are {', '.join(measured.PARTS)}")
    found = measured.measure(chosen, say)
    print_table(measured.COLUMNS, measured.as_rows(found), empty="")
    if report is not None:
        told = {part: [asdict(each) for each in figures] for part, figures in found.items()}
        report.write_text(json.dumps(told, indent=1) + "\n")
    if not measured.reached(found):
        raise typer.Exit(1)
