"""`image`: the functions' container, built with docker, or put together in a folder without it."""

from pathlib import Path
from typing import Annotated

import typer

from infra.cli.console import print_table, say, tell
from infra.imaging.layout import ARCHITECTURES, MOST_MB, Architecture
from sightline.errors import ConfigError

app = typer.Typer()


@app.command(
    epilog="Examples: ./run image --build --architecture arm64, ./run image --out /tmp/image"
)
def image(
    out: Annotated[
        Path | None,
        typer.Option(help="Put the container's files into this folder, without docker."),
    ] = None,
    build: Annotated[bool, typer.Option("--build", help="Build the image with docker.")] = False,
    engine: Annotated[str, typer.Option(help="As `./run engines` lists them.")] = "dlib",
    engine_folder: Annotated[
        Path | None,
        typer.Option(help="Where the engine lies. Without it --build exports dlib and facenet."),
    ] = None,
    architecture: Annotated[
        str | None,
        typer.Option(help="arm64 or x86_64. Of --build: arm64; of --out: this machine's."),
    ] = None,
    tag: Annotated[
        str | None, typer.Option(help="The image's name; by default one of its sources.")
    ] = None,
) -> None:
    """Make the container that every function runs in; `deploy` does it by itself.

    --out makes the very same files in a folder, for a look, or to weigh another architecture's.
    """
    if build == (out is not None):
        raise ConfigError("give --build, to have docker build it, or --out FOLDER, for its files")
    chosen = _architecture(architecture)
    # Here, since ONNX Runtime would make even `--help` wait for it.
    from infra import image as images
    from sightline.faces.cache import cache_folder

    if out is not None:
        layout = images.assemble(
            out,
            engine=engine,
            engine_folder=engine_folder or cache_folder(),
            say=say,
            architecture=chosen,
        )
        sizes = layout.sizes
        rows = [(name, f"{size / 1e6:.1f}") for name, size in sizes.items()]
        print_table(("part", "MB"), rows, empty="")
        tell(
            f"{sum(sizes.values()) / 1e6:.0f} MB of {MOST_MB}, for {layout.architecture}, in {out}"
        )
        return
    chosen = chosen or "arm64"
    tag = tag or f"sightline:{images.image_tag(engine, chosen, engine_folder)}"
    images.build(engine=engine, architecture=chosen, tag=tag, say=say, engine_folder=engine_folder)
    tell(tag)


def _architecture(given: str | None) -> Architecture | None:
    for known in ARCHITECTURES:
        if given == known:
            return known
    if given is not None:
        raise ConfigError(f"--architecture {given!r}: Lambda has {' and '.join(ARCHITECTURES)}")
    return None
