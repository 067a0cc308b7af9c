"""`people re-embed`: what a change of engine asks for."""

from pathlib import Path
from typing import Annotated

import typer

from cloud.photos import read_photos
from infra.cli import people
from infra.cli.console import say
from infra.cli.context import target
from infra.enrolling import engine_of, open_people
from infra.reembedding import plan


def re_embed(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Holds the photos, in any order and by any name.")],
    as_json: people.AsJson = False,
) -> None:
    """After a change of engine: embed everybody's photos anew.

    Photos are told by their content, so the folder may be the one of `people add-folder`, or that
    of `people add --keep-photos`. What another engine made stays, in case you change back.
    """
    from sightline.faces.engines import engine_card

    where = target(context)
    engine = engine_card(engine_of(where)).id
    work = plan(open_people(where).all(), engine, folder)
    if work.files:
        service = open_people(where, examine=True)
    for person_id, files in sorted(work.files.items()):
        # Taken once already, so not to be refused for whom the new engine finds them like.
        addition = service.add_photos(person_id, read_photos(files), force=True)
        people.report(person_id, addition, more=True, as_json=as_json)
    for person_id, count in sorted(work.missing.items()):
        say(f"{person_id}: {count} photos were not found in {folder}; enrol them again")
    say(
        f"{engine}: {len(work.files)} people embedded anew, {len(work.complete)} were already, "
        f"{work.strangers} files of the folder belong to nobody"
    )
    if work.missing:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the command to those about people."""
    app.command()(re_embed)
