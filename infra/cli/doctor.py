"""`doctor`: what keeps a stack, or a device, from working."""

from pathlib import Path
from typing import Annotated

import typer

from device.doctor.finding import Finding
from infra.account import Account
from infra.cli.console import print_json, say, tell
from infra.cli.context import chosen, target
from infra.operating.doctor import examine
from infra.target import Target

app = typer.Typer()


@app.command(epilog="Example: ./run doctor certs/front-door")
def doctor(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(help="A device's folder, to examine that device too."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All findings as JSON.")] = False,
) -> None:
    """Examine the stack, and say how to mend what is wrong; it changes nothing.

    Ends with 1 if there is a fault. A device's own side: ./run agent certs/front-door --doctor
    """
    choice = chosen(context)

    def account() -> Account:
        if choice.stack is None:
            return Target.local(choice.state).account
        return Account(region=choice.region, profile=choice.profile)

    def show(finding: Finding) -> None:
        if not as_json:
            tell(finding.line())

    found = examine(
        account,
        choice.stack or "sightline",
        show,
        open_target=lambda: target(context),
        folder=folder,
    )
    if as_json:
        print_json(found.as_json())
    else:
        tell(found.summary())
        if folder is not None:
            say(f"its own side: ./run agent {folder} --doctor   (stop its agent before)")
    if not found.sound:
        raise typer.Exit(1)
