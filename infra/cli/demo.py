"""`demo`: the main job, on a made clip, on a stack of its own."""

import shutil
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from infra.cli.console import print_table, say, tell
from infra.cli.context import PROJECT

app = typer.Typer()


@app.command(epilog="Example: ./run demo")
def demo(
    folder: Annotated[
        Path, typer.Option("--out", help="Where the contact sheet and the clip go.")
    ] = PROJECT / "demo",
    workers: Annotated[int, typer.Option(min=1, help="Frames worked on at once.")] = 2,
) -> None:
    """Enrol one person, play a clip to the agent, show who was recognised, draw it.

    Ends with an error if nobody was recognised, or somebody wrongly.
    """
    # Here, since ONNX Runtime and OpenCV would make even `--help` wait for them.
    from infra.demo import show

    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="sightline-demo-"))
    try:
        outcome = show.play(scratch, folder, workers=workers, say=say)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    tell("")
    print_table(("stage", "p50 ms", "p95 ms"), outcome.stages, empty="no frame was answered")
    tell("")
    for line in outcome.lines:
        tell(line)
    tell(f"contact sheet  {outcome.sheet}")
    tell(f"{time.monotonic() - began:.0f} s in all")
    if outcome.failure:
        say(f"sightline: {outcome.failure}")
        raise typer.Exit(1)
