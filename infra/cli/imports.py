"""`people import`: other projects' files of people, told apart by what is in them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.progress import track

from cloud.imports.file_kinds import kind_of, read_named_vectors
from cloud.imports.joining import Joined, Joining
from cloud.imports.limits import MAX_FILE_BYTES
from cloud.records import read_records
from infra.cli.console import err, print_json, say
from infra.cli.context import target
from infra.enrolling import open_people
from infra.target import Target
from sightline.errors import ConfigError

T = TypeVar("T")


def import_file(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Records, or names with embeddings.")],
    force: Annotated[
        bool, typer.Option(help="Take an embedding even if it looks like somebody else's.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, for a program to read.")] = False,
) -> None:
    """Take people from another project's file; twice does no harm.

    Records, such as student_data.json: JSON objects, listed or by id, plain
    or in DynamoDB's form; JSON a line; a CSV with a column "name" or "id".

    Embeddings with names, of which nothing is run: face_recognition's
    'encoding' pickle (128 numbers each, for the engine dlib), or facenet's
    data.pt that torch.save wrote (512 each, for the engine facenet).

    Names find who is enrolled; others are new. Embeddings made with another
    alignment may be less exact: `people add` with photos is better.
    """
    data = _read(file)
    try:
        kind = kind_of(data)
        given = None if kind == "text" else read_named_vectors(data)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error
    if given is None:
        _import_records(target(context), file, data, as_json=as_json)
        return
    # Here, since ONNX Runtime and OpenCV would make even `--help` wait for them.
    from infra.importing import NO_MATCH_FOR_PHOTOS, doubts, engine_for

    where = target(context)
    try:
        engine = engine_for(given, where)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error
    say(f"{file}: {len(given.names)} embeddings of {given.people} people, for {engine.id}")
    for doubt in doubts(given, engine):
        say(f"mind      {doubt}")
    joining = Joining(open_people(where), engine, now=lambda: datetime.now(UTC), force=force)
    joined = []
    for each in _watched(joining.join(given), given.people):
        joined.append(each)
        _report(each, as_json=as_json)
    _sum_up(joined)
    if any(each.added for each in joined):
        say(NO_MATCH_FOR_PHOTOS)
    if any(each.refused and not each.added + each.already for each in joined):
        raise typer.Exit(1)


def _import_records(where: Target, file: Path, data: bytes, *, as_json: bool) -> None:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{file} is no text in UTF-8; give a JSON file, a CSV, a pickle or a torch file"
        ) from error
    read = read_records(text)
    say(f"{file}: {len(read.records)} records, told apart by {read.identified_by}")
    added = 0
    put = open_people(where).put_all(read.records)
    for person, is_new in _watched(put, len(read.records)):
        added += is_new
        if as_json:
            print_json({"id": person.id, "name": person.name, "new": is_new})
    say(f"{added} people new, {len(read.records) - added} brought up to date")


def _watched(given: Iterable[T], total: int) -> Iterable[T]:
    quiet = not err.is_terminal
    return track(given, "importing", total=total, console=err, transient=True, disable=quiet)


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_FILE_BYTES + 1)  # one more: enough to see that it is too large
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error


def _report(joined: Joined, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "id": joined.person_id,
                "name": joined.name,
                "new": joined.is_new,
                "added": joined.added,
                "already": joined.already,
                "refused": list(joined.refused),
            }
        )
        return
    for why in dict.fromkeys(joined.refused):
        say(f"refused  {joined.name}: {why}")
    if joined.person_id is None:
        say(f"{joined.name} is not enrolled: every embedding was refused")
        return
    already = f", {joined.already} there already" if joined.already else ""
    what = "enrolled as" if joined.is_new else "added to"
    say(f"{joined.name}: {joined.added} embeddings {what} {joined.person_id}{already}")


def _sum_up(joined: list[Joined]) -> None:
    new = sum(each.is_new for each in joined)
    added, already = sum(each.added for each in joined), sum(each.already for each in joined)
    refused = sum(len(each.refused) for each in joined)
    say(
        f"{new} people new, {added} embeddings added, {already} were there already,"
        f" {refused} refused"
    )
