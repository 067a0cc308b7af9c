"""`engines …`: the networks that turn a face into numbers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

from infra.cli.console import err, print_json, print_table, say, tell
from infra.cli.context import PROJECT, target
from infra.enrolling import open_people
from sightline.errors import ConfigError, TransportError

if TYPE_CHECKING:
    from infra.engines import Listed

PORTRAITS = PROJECT / "tests" / "data"

app = typer.Typer(help="The recognition engines: list, add, quantise.", invoke_without_command=True)

AsJson = Annotated[bool, typer.Option("--json", help="JSON, for a program to read.")]
Folder = Annotated[
    Path | None, typer.Option("--folder", help="Where engines lie, if not in the user's cache.")
]


@app.callback()
def engines(context: typer.Context, folder: Folder = None, as_json: AsJson = False) -> None:
    """Show every engine: id, digest, licence, size, speed here, who has embeddings of it."""
    if context.invoked_subcommand is not None:
        return
    # Here, since ONNX Runtime and OpenCV would make even `--help` wait for them.
    from infra.engines import listed

    faces = _faces(context)
    rows = listed(folder, faces=faces or ())
    if as_json:
        print_json([_json(row, known=faces is not None) for row in rows])
        return
    print_table(
        ("engine", "id", "digest", "size", "a face", "people", "licence"),
        [_row(row, known=faces is not None) for row in rows if row.card or row.people],
        empty="",
    )
    for row in rows:
        if row.effect:
            tell(f"{row.name}: against its full form, {row.effect}")
        elif row.mend:
            tell(f"{row.name}: {row.mend}")


@app.command(epilog="Example: ./run engines add facenet")
def add(
    name: Annotated[str, typer.Argument(help="facenet; dlib is made by itself.")],
    weights: Annotated[
        Path | None, typer.Option(help="Weights on this machine, instead of the published.")
    ] = None,
    folder: Folder = None,
) -> None:
    """Export an engine's network to ONNX, and hold it to the original.

    facenet needs torch, which is put into an environment of its own the first time.
    """
    from infra.engines import add_facenet
    from sightline.faces.engines import prepare_engine
    from sightline.faces.facenet import PUBLISHED_ID

    if name == "dlib":
        tell(str(prepare_engine("dlib", folder)))
        return
    if name != "facenet":
        raise ConfigError(f"there is nothing to add for {name!r}; engines add facenet, or dlib")
    with Progress(
        *Progress.get_default_columns()[:1],
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    ) as progress:
        task = progress.add_task("weights", total=None, visible=weights is None)
        made = add_facenet(
            weights=weights,
            folder=folder,
            say=say,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    tell(f"{made['id']}  {made['bytes'] / 1e6:.1f} MB, SHA-256 {made['digest']}")
    tell(f"torch and ONNX differ by at most {made['difference_to_torch']:.2g} on random pictures")
    if made["id"] != PUBLISHED_ID:
        tell("these are not the published weights: its embeddings are this file's alone")
    tell("use it: ./run up --engine facenet, or ./run deploy --parameter Engine=facenet")


@app.command(epilog="Example: ./run engines quantise dlib photos/")
def quantise(
    name: Annotated[str, typer.Argument(help="dlib or facenet.")],
    photos: Annotated[
        Path | None,
        typer.Argument(help="Photos to measure on: a folder a person. Two portraits unless given."),
    ] = None,
    folder: Folder = None,
) -> None:
    """Make an engine's INT8 form, and show what that changes in decisions."""
    from infra.quantising import quantise_engine

    if name not in ("dlib", "facenet"):
        raise ConfigError(f"{name!r} has no INT8 form; quantise dlib or facenet")
    card, effect, skipped = quantise_engine(name, photos or PORTRAITS, folder, say=say)
    for each in skipped:
        say(f"left out {each}")
    tell(f"{card.id}  SHA-256 {card.digest}")
    tell(f"against {card.notes['made_from']}: {effect}")
    if photos is None:
        tell("two portraits say little: give a folder of your own people's photos")
    if effect.decisions_changed or effect.pairs_changed:
        tell("it decides otherwise than the full form on these photos; better keep that")


def _faces(context: typer.Context) -> list[tuple[str, str]] | None:
    """Person and engine of every face of the stack; None if there is no stack to ask."""
    try:
        entries = open_people(target(context)).all()
    except (ConfigError, TransportError):
        return None
    return [(entry.person.id, face.engine) for entry in entries for face in entry.faces]


def _row(row: "Listed", *, known: bool) -> tuple[str, ...]:
    people = _names(row.people) if known else "no stack"
    if row.card is None:
        return row.name, "", "", "", "", people, ""
    speed = "" if row.face_ms is None else f"{row.face_ms:.1f} ms"
    return tuple(
        map(
            escape,
            (
                row.name,
                row.card.id,
                row.card.digest[:12],
                f"{row.megabytes:.1f} MB",
                speed,
                people,
                row.card.licence,
            ),
        )
    )


def _names(people: tuple[str, ...]) -> str:
    more = f" and {len(people) - 5} more" if len(people) > 5 else ""
    return ", ".join(people[:5]) + more if people else "none"


def _json(row: "Listed", *, known: bool) -> dict[str, Any]:
    card = row.card
    return {
        "engine": row.name,
        "id": card.id if card else None,
        "digest": card.digest if card else None,
        "licence": card.licence if card else None,
        "source": card.source if card else None,
        "megabytes": round(row.megabytes, 1),
        "face_ms": None if row.face_ms is None else round(row.face_ms, 2),
        "people": list(row.people) if known else None,
        "notes": card.notes if card else {},
        "missing": row.mend or None,
    }
