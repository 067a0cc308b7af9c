"""`verify-on-aws`: prove a deployed stack, on the account it is on."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from infra.cli.console import say, tell
from infra.cli.context import chosen
from infra.target import Target
from sightline.errors import ConfigError

app = typer.Typer()


@app.command("verify-on-aws", epilog="Example: ./run --region eu-central-1 verify-on-aws")
def verify(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    local: Annotated[
        bool, typer.Option("--local", help="On the stack of this machine, as a rehearsal.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="The report; verify-STACK-DATE.md unless given.")
    ] = None,
) -> None:
    """Prove the stack with a device and a person of its own, and write a report to paste.

    It enrols a shipped portrait, plays a clip, tries what must be refused, and removes all that it
    made. Ends with 1 if a check fails.
    """
    # Here, since ONNX Runtime and OpenCV would make even `--help` wait for them.
    from infra.verification import report, suite

    where = _where(context, local=local)
    if not local:
        say(
            f"{where.stack} in {where.account.region}: {suite.price_of(where).words()}, some "
            "minutes; its alarm of dead letters may ring once"
        )
        _ask(yes=yes)
    done = suite.run(where, say)
    path = out or Path(f"verify-{where.stack}-{datetime.now(UTC):%Y%m%d-%H%M}.md")
    text = report.markdown(done)
    tell(text)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
    say(f"the report is {path}")
    if not done.passed:
        raise typer.Exit(1)


def _where(context: typer.Context, *, local: bool) -> Target:
    choice = chosen(context)
    if not local:
        return Target.aws(choice.stack or "sightline", choice.region, choice.profile)
    if choice.stack is not None:
        raise ConfigError("--local is the stack of this machine; leave out --stack")
    return Target.local(choice.state)


def _ask(*, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError("there is nobody to ask: say ./run verify-on-aws --yes")
    typer.confirm("Go on?", abort=True, err=True)
