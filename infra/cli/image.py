"""`image`: the functions' containers, built with docker, or put together in folders without it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from infra.cli.console import print_table, say, tell
from infra.imaging.layout import ARCHITECTURES, KINDS, MOST_MB, Architecture, Layout
from sightline.errors import ConfigError

app = typer.Typer()


@app.command(
    epilog="Examples: ./run image --build --architecture arm64, ./run image --out /tmp/image"
)
def image(
    out: Annotated[
        Path | None,
        typer.Option(help="Put the containers' files into this folder, without docker."),
    ] = None,
    build: Annotated[bool, typer.Option("--build", help="Build the images with docker.")] = False,
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
        str | None, typer.Option(help="The functions' image's name; by default one of its sources.")
    ] = None,
) -> None:
    """Make the containers that functions run in; `deploy` does it by itself.

    Two of them: one for all functions, and a video one, which has a decoder and no networks. --out
    makes the very same files in folders of those names, for a look, or to weigh another
    architecture's.
    """
    if build == (out is not None):
        raise ConfigError("give --build, to have docker build it, or --out FOLDER, for its files")
    chosen = _architecture(architecture)
    # Here, since ONNX Runtime would make even `--help` wait for it.
    from infra import image as images
    from sightline.faces.cache import cache_folder

    if out is not None:
        images.expect_empty(out)
        functions = images.assemble(
            out / "functions",
            engine=engine,
            engine_folder=engine_folder or cache_folder(),
            say=say,
            architecture=chosen,
        )
        _show([functions, images.assemble_video(out / "video", say=say, architecture=chosen)])
        return
    chosen = chosen or "arm64"
    for kind in KINDS:
        named = tag if tag is None or kind == "functions" else f"{tag}-{kind}"
        named = named or f"sightline:{images.image_tag(engine, chosen, engine_folder, kind=kind)}"
        images.build(
            engine=engine,
            architecture=chosen,
            tag=named,
            say=say,
            kind=kind,
            engine_folder=engine_folder,
        )
        tell(named)


def _show(layouts: Sequence[Layout]) -> None:
    rows = [
        (layout.kind, name, f"{size / 1e6:.1f}")
        for layout in layouts
        for name, size in layout.sizes.items()
    ]
    print_table(("image", "part", "MB"), rows, empty="")
    for layout in layouts:
        whole = sum(layout.sizes.values()) / 1e6
        tell(f"{whole:.0f} MB of {MOST_MB}, for {layout.architecture}, in {layout.root}")


def _architecture(given: str | None) -> Architecture | None:
    for known in ARCHITECTURES:
        if given == known:
            return known
    if given is not None:
        raise ConfigError(f"--architecture {given!r}: Lambda has {' and '.join(ARCHITECTURES)}")
    return None
