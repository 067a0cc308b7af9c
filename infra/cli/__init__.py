"""The command line: `./run COMMAND`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from infra.cli import (
    bench,
    demo,
    deploy,
    devices,
    engines,
    evaluate,
    messages,
    people,
    re_embed,
    up,
)
from infra.cli.console import say
from infra.cli.context import STATE, Choice
from sightline import __version__
from sightline.errors import SightlineError, TransportError

app = typer.Typer(
    name="run",
    help="Real-time face recognition from Raspberry Pi cameras on AWS IoT Core.",
    epilog="Besides: ./run test [PYTEST OPTIONS] passes the tests, ./run setup only sets up.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(demo.app)
app.add_typer(up.app)
app.add_typer(deploy.app)
app.add_typer(devices.app)
re_embed.register(people.app)
app.add_typer(people.app, name="people")
app.add_typer(messages.app)
app.add_typer(engines.app, name="engines")
app.add_typer(evaluate.app)
app.add_typer(bench.app, name="bench")


@app.callback(invoke_without_command=True)
def choose(
    context: typer.Context,
    state: Annotated[
        Path, typer.Option(help="The local stack's folder.", envvar="SIGHTLINE_STATE")
    ] = STATE,
    on_stack: Annotated[
        str | None,
        typer.Option("--stack", metavar="NAME", help="A stack on AWS, instead of the local one."),
    ] = None,
    region: Annotated[str | None, typer.Option(help="The AWS region of --stack.")] = None,
    profile: Annotated[str | None, typer.Option(help="The AWS profile to use it with.")] = None,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Keep what all commands need."""
    if version:
        typer.echo(f"sightline {__version__}")
        raise typer.Exit
    context.obj = Choice(state=state.absolute(), stack=on_stack, region=region, profile=profile)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit status: 0 done, 2 something the operator can mend (one line says what), 1 a service
        is out of reach or the result is bad.
    """
    try:
        app(args=arguments, prog_name="./run")
    except SystemExit as end:  # Typer's own way out, for wrong usage too
        return end.code if isinstance(end.code, int) else 0
    except TransportError as error:
        say(f"sightline: {error}")
        return 1
    except SightlineError as error:
        say(f"sightline: {error}")
        return 2
    except OSError as error:
        if error.filename is None:  # not about a file that somebody named
            raise
        say(f"sightline: {error.filename}: {error.strerror}")
        return 2
    return 0
