"""`people re-embed`: what a change of engine asks for."""

from collections.abc import Sequence
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
    refused = 0
    for person_id, files in sorted(work.files.items()):
        # Taken once already, so not to be refused for whom the new engine finds them like.
        addition = service.add_photos(person_id, read_photos(files), force=True)
        refused += not addition.accepted
        people.report(person_id, addition, more=True, as_json=as_json)
    for person_id, digests in sorted(work.missing.items()):
        say(f"{person_id}: {_photos(digests)} not found in {folder}; give it, or enrol anew")
    say(
        f"{engine}: {len(work.files) - refused} people embedded anew, {len(work.complete)} were"
        f" already, {work.strangers} files of the folder belong to nobody"
    )
    if work.missing or refused:
        raise typer.Exit(1)


def _photos(digests: Sequence[str]) -> str:
    """Name photos of which nothing but the digest is kept, as `people show` does."""
    named = ", ".join(digest[:12] for digest in digests[:5])
    more = f" and {len(digests) - 5} more" if len(digests) > 5 else ""
    what = "the photo with SHA-256" if len(digests) == 1 else "the photos with SHA-256"
    return f"{what} {named}{more} {'was' if len(digests) == 1 else 'were'}"


def register(app: typer.Typer) -> None:
    """Add the command to those about people."""
    app.command(epilog="Example: ./run people re-embed photos/")(re_embed)
