"""The command line: `./run COMMAND`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from infra.cli import (
    bench,
    bench_video,
    demo,
    deploy,
    devices,
    doctor,
    engines,
    evaluate,
    fleet,
    gate,
    image,
    keys,
    load,
    messages,
    operate,
    people,
    re_embed,
    serials,
    settings,
    up,
    verify,
    video,
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


def _add(panel: str, commands: typer.Typer, name: str | None = None) -> None:
    """Add commands, shown under *panel*; under a name of their own, or each by its own."""
    if name is None:
        for command in commands.registered_commands:
            command.rich_help_panel = panel
    app.add_typer(commands, name=name, rich_help_panel=panel)


_add("On this machine", demo.app)
_add("On this machine", up.app)
re_embed.register(people.app)
_add("People and messages", people.app, "people")
_add("People and messages", messages.app)
_add("People and messages", video.app)
_add("People and messages", keys.app, "keys")
_add("Devices", devices.app)
_add("Devices", serials.app, "serials")
_add("Devices", settings.app)
_add("Devices", gate.app)
_add("Devices", fleet.app)
_add("On AWS", deploy.app)
_add("On AWS", image.app)
_add("On AWS", verify.app)
_add("How it does", operate.app)
_add("How it does", doctor.app)
_add("How it does", load.app, "load")
_add("Engines", engines.app, "engines")
_add("Engines", evaluate.app)
bench_video.register(bench.app)
_add("Engines", bench.app, "bench")


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
