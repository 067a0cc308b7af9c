"""Put the recognition engine into the functions' container.

    python -m infra.imaging.engine NAME FOLDER [--from FOLDER] [--weights FOLDER]

The first stage of `infra/lambda.Dockerfile` runs this, and `infra.image.assemble` calls
`copy_engine`. Weights end up in the image, so that nothing is fetched when a worker starts.

Graphs that ONNX Runtime has optimised (`sightline.faces.kept_graphs`) are not put in: they are laid
out for the processor that they were made on, and Lambda's are others than the builder's.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.download import download
from sightline.errors import ConfigError, ModelError, SightlineError
from sightline.faces import facenet
from sightline.faces.engines import NAMES, engine_card, prepare_engine


def copy_engine(name: str, source: Path, into: Path) -> None:
    """Copy what the engine needs, and no more, out of the folder *source*.

    Raises:
        ModelError: It is not there, or damaged; the text says how to make it.
        ConfigError: It cannot be written.
    """
    path = prepare_engine(name, source)  # checks its digest, and makes dlib's
    card = path.with_suffix(".json")
    try:
        into.mkdir(parents=True, exist_ok=True)
        for file in (path, card) if card.exists() else (path,):
            shutil.copyfile(file, into / file.name)
            (into / file.name).chmod(0o644)  # Lambda runs as a stranger
    except OSError as err:
        raise ConfigError(f"{into} cannot be written: {err.strerror}") from err


def export_engine(name: str, into: Path, weights: Path | None = None) -> None:
    """Make the engine of its published weights, or of the one file in the folder *weights*.

    Raises:
        ModelError: It cannot be made of them.
        TransportError: The published weights are out of reach.
    """
    if name == "facenet":
        file = _weights(weights, into.parent / "downloads")
        from infra.export.facenet import export  # torch comes with it

        export(file, into)
    elif name == "dlib":
        prepare_engine(name, into)
    else:
        raise ModelError(
            f"{name} is made on your own photos: ./run engines quantise"
            f" {name.removesuffix('-int8')} PHOTOS, then --engine-folder FOLDER"
        )
    engine_card(name, into)


def _weights(folder: Path | None, downloads: Path) -> Path:
    given = [] if folder is None else [path for path in folder.iterdir() if path.is_file()]
    if len(given) > 1:
        names = ", ".join(sorted(path.name for path in given))
        raise ModelError(f"give one file of weights, and not {names}")
    if given:
        return given[0]
    path = downloads / facenet.WEIGHTS_URL.rpartition("/")[2]
    download(facenet.WEIGHTS_URL, path, sha256=facenet.WEIGHTS_SHA256, progress=lambda *_: None)
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """Make or copy an engine; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.imaging.engine", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--from", type=Path, dest="source", help="a folder that holds it already")
    parser.add_argument("--weights", type=Path, help="a folder with the weights; may be empty")
    args = parser.parse_args(arguments)
    try:
        if args.source is not None:
            copy_engine(args.name, args.source, args.folder)
        else:
            export_engine(args.name, args.folder, args.weights)
    except SightlineError as err:
        sys.stderr.write(f"{err}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
