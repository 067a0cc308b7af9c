"""`people …`: who is enrolled."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress

from cloud.enrolment import Outcome
from cloud.people import Addition, Entry, People
from cloud.photos import folders_in, images_in, read_photos
from cloud.records import read_record
from cloud.register import EnrolledFace
from infra.cli.console import err, out, print_json, print_table, say
from infra.cli.context import target
from infra.cli.imports import import_file
from infra.enrolling import open_people
from infra.reembedding import keep_photos
from sightline.errors import ConfigError
from sightline.wire import write_time

app = typer.Typer(help="Who is enrolled: add, list, show, remove.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="JSON, for a program to read.")]
Force = Annotated[bool, typer.Option(help="Take a face even if it looks like somebody else's.")]
Record = Annotated[
    str | None, typer.Option(metavar="JSON", help='What is known of them: \'{"major": "Maths"}\'.')
]
PersonId = Annotated[str, typer.Argument(metavar="ID", help="As `people list` shows it.")]


@app.command(epilog="Example: ./run people add 'Grace Hopper' tests/data/grace-hopper.jpg")
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="As it is to be shown: 'Grace Hopper'.")],
    photos: Annotated[
        list[Path], typer.Argument(metavar="PHOTO...", help="Images, or folders of them.")
    ],
    record: Record = None,
    consent: Annotated[
        str | None, typer.Option(help="Where it is written down that they agreed.")
    ] = None,
    new: Annotated[bool, typer.Option(help="Enrol a namesake, not more photos of them.")] = False,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep-photos",
            metavar="FOLDER",
            help="Copy the photos taken there, for `people re-embed` after a change of engine.",
        ),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Enrol a person from photos, or add photos to one; each photo refused is said with why."""
    fields = None if record is None else read_record(record)
    given = read_photos(photos)  # before the networks are loaded: a wrong path shows at once
    people = open_people(target(context), examine=True)
    known = () if new else people.find(name)
    if len(known) > 1:
        ids = ", ".join(person.id for person in known)
        raise ConfigError(f"{name!r} may be {ids}; give the id instead of the name, or --new")
    if known:
        addition = people.add_photos(known[0].id, given, force=force)
        if fields is not None:
            people.change(known[0].id, record=fields)
        if consent is not None:
            people.change(known[0].id, consent=consent)
    else:
        addition = people.add(name, given, record=fields, consent=consent, force=force)
    if keep is not None and addition.person is not None:
        _keep(keep, addition)
    report(name, addition, more=bool(known), as_json=as_json)
    if not _enrolled(addition):
        raise typer.Exit(1)


@app.command(epilog="Example: ./run people add-folder photos/")
def add_folder(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A folder a person, named after them.")],
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Enrol everybody in a folder: `ada-lovelace/1.jpg` is a photo of Ada Lovelace.

    So is `ada-lovelace/2025/1.jpg`. A `record.json` in a person's folder is their record.
    """
    folders = folders_in(folder)
    _mention_loose(folder)
    people = open_people(target(context), examine=True)
    refused = 0
    # Where nobody watches, not even the bar's empty last line.
    with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("enrolling", total=len(folders))
        for each in folders:
            name = _name_of(each)
            progress.update(task, description=escape(name))
            refused += not _add_one(people, each, name, force=force, as_json=as_json)
            progress.advance(task)
    if refused:
        say(f"{refused} of {len(folders)} could not be enrolled")
        raise typer.Exit(1)


app.command("import", epilog="Example: ./run people import student_data.json")(import_file)


@app.command("list", epilog="Example: ./run people list --json")
def list_people(context: typer.Context, as_json: AsJson = False) -> None:
    """Show everybody who is enrolled."""
    entries = open_people(target(context)).all()
    if as_json:
        print_json([_json(entry) for entry in entries])
        return
    rows = [
        (
            entry.person.id,
            entry.person.name,
            str(len(entry.faces)),
            json.dumps(entry.person.record, ensure_ascii=False),
        )
        for entry in entries
    ]
    print_table(
        ("id", "name", "photos", "record"),
        [tuple(map(escape, row)) for row in rows],
        empty="Nobody is enrolled yet: people add 'Grace Hopper' photo.jpg",
    )


@app.command(epilog="Example: ./run people show grace-hopper")
def show(context: typer.Context, person_id: PersonId, as_json: AsJson = False) -> None:
    """Show one person: the record, and what is kept of each photo."""
    entry = open_people(target(context)).get(person_id)
    if as_json:
        print_json(_json(entry))
        return
    person = entry.person
    out.print(f"[bold]{escape(person.name)}[/]  ({person.id})")
    out.print(json.dumps(person.record, ensure_ascii=False, indent=2), markup=False)
    out.print(f"consent  {person.consent or 'not written down'}", markup=False)
    out.print(
        f"enrolled {person.created_at:%Y-%m-%d %H:%M}, changed {person.updated_at:%Y-%m-%d %H:%M}"
    )
    rows = [
        (
            face.id,
            face.engine,
            *_quality(face),
            face.photo_sha256[:12],
        )
        for face in entry.faces
    ]
    print_table(("face", "engine", "size", "sharpness", "photo"), rows, empty="No photos.")


@app.command(epilog="Example: ./run people remove grace-hopper")
def remove(
    context: typer.Context,
    person_id: PersonId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Forget a person and all of their faces."""
    people = open_people(target(context))
    entry = people.get(person_id)
    if not yes:
        typer.confirm(
            f"Forget {entry.person.name} and {len(entry.faces)} faces?", abort=True, err=True
        )
    people.remove(person_id)
    say(f"forgot {entry.person.name} ({person_id}) and {len(entry.faces)} faces")


def _add_one(people: People, folder: Path, name: str, *, force: bool, as_json: bool) -> bool:
    """Enrol one folder; tells whether the person is enrolled now."""
    try:
        record_file = folder / "record.json"
        fields = read_record(_text(record_file)) if record_file.is_file() else None
        given = read_photos(images_in(folder, below=True))
        known = people.find(name)
        if known:
            addition = people.add_photos(known[0].id, given, force=force)
        else:
            addition = people.add(name, given, record=fields, force=force)
    except ConfigError as error:
        say(f"{name}: {error}")
        return False
    report(name, addition, more=bool(known), as_json=as_json)
    return _enrolled(addition)


def _mention_loose(folder: Path) -> None:
    """Say what nobody can be told of: images beside the people's folders."""
    try:
        loose = images_in(folder)
    except ConfigError:
        return
    which = loose[0].name + (f" and {len(loose) - 1} more" if len(loose) > 1 else "")
    say(f"left out  {which} in {folder}: put photos into a folder named after the person")


def _keep(folder: Path, addition: Addition) -> None:
    taken = [Path(outcome.photo) for outcome in addition.outcomes if outcome.accepted]
    if addition.person is not None and taken:
        kept = keep_photos(folder, addition.person.id, taken)
        say(f"kept {len(kept)} photos in {folder / addition.person.id}")


def _enrolled(addition: Addition) -> bool:
    """Tell whether the person is enrolled now; to enrol the same photos twice does no harm."""
    again = all(outcome.reason == "already_enrolled" for outcome in addition.outcomes)
    return bool(addition.accepted) or again


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no text in UTF-8; give a JSON file") from error


def _name_of(folder: Path) -> str:
    words = folder.name.replace("_", " ").replace("-", " ")
    return words.title() if words.islower() else folder.name


def report(name: str, addition: Addition, *, more: bool, as_json: bool) -> None:
    """Say what came of adding photos."""
    if as_json:
        print_json(
            {
                "id": addition.person.id if addition.person else None,
                "name": name,
                "photos": [_outcome(outcome) for outcome in addition.outcomes],
            }
        )
        return
    for outcome in addition.outcomes:
        if not outcome.accepted:
            say(f"refused  {outcome.photo}: {outcome.detail}")
    if addition.person is None:
        say(f"{name} is not enrolled: every photo was refused")
        return
    photos = f"{addition.accepted} of {len(addition.outcomes)} photos"
    what = "added to" if more else "enrolled as"
    say(f"{addition.person.name}: {photos} {what} {addition.person.id}")


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "photo": outcome.photo,
        "accepted": outcome.accepted,
        "reason": outcome.reason,
        "detail": outcome.detail,
    }


def _quality(face: EnrolledFace) -> tuple[str, str]:
    """Say how good the photo was; of an imported embedding nobody knows."""
    if not face.side_px:
        return "imported", ""
    return f"{face.side_px:.0f} px", f"{face.sharpness:.2g}"


def _json(entry: Entry) -> dict[str, Any]:
    person = entry.person
    return {
        "id": person.id,
        "name": person.name,
        "record": person.record,
        "consent": person.consent,
        "created_at": write_time(person.created_at),
        "updated_at": write_time(person.updated_at),
        "faces": [
            {"id": f.id, "engine": f.engine, "side_px": f.side_px, "sharpness": f.sharpness}
            for f in entry.faces
        ],
    }
