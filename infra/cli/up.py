"""`up`: the whole stack on this machine."""

import os
import signal
import threading
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from rich.markup import escape

from infra.cli.console import out, say, tell
from infra.cli.context import chosen, pairs
from infra.cli.engine_change import warn_of_change
from infra.target import Target
from sightline.errors import ConfigError

app = typer.Typer()


@app.command(epilog="Example: ./run up --workers 2")
def up(
    context: typer.Context,
    workers: Annotated[
        int, typer.Option(min=1, help="Frames worked on at once; a worker a core.")
    ] = os.cpu_count() or 1,
    gateway_port: Annotated[int, typer.Option(help="AWS's services; 0 takes any free one.")] = 4566,
    mqtt_port: Annotated[int, typer.Option(help="MQTT with mutual TLS.")] = 8883,
    credentials_port: Annotated[int, typer.Option(help="The IoT credentials endpoint.")] = 4567,
    lambda_port: Annotated[int, typer.Option(help="The functions.")] = 4568,
    http_port: Annotated[int, typer.Option(help="The HTTP API.")] = 4569,
    http_without_keys: Annotated[
        bool,
        typer.Option(
            "--http-without-keys", help="Let every program of this machine use it, with all rights."
        ),
    ] = False,
    parameter: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A template parameter, such as BucketPrefix=mine."),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="As `./run engines` lists them.", envvar="SIGHTLINE_ENGINE")
    ] = "dlib",
) -> None:
    """Keep the whole stack running on this machine, on loopback; Ctrl-C stops all of it."""
    # Here, since they bring much along that other commands need not wait for.
    from infra.local.ministack.server import ministack_python
    from infra.local.stack import LocalSettings, LocalStack
    from sightline.faces.engines import prepare_engine

    state = chosen(context).state
    settings = LocalSettings(
        state=state,
        ministack_python=ministack_python(),
        engine_folder=prepare_engine(engine).parent,
        parameters={"Engine": engine, **_checked(parameter)},
        gateway_port=gateway_port,
        mqtt_port=mqtt_port,
        credentials_port=credentials_port,
        lambda_port=lambda_port,
        http_port=http_port,
        http_without_keys=http_without_keys,
        workers=workers,
    )
    stop = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: stop.set())
    with LocalStack(settings, say=say) as stack:
        # Not folded: a path that is broken in two can neither be read by a program nor copied.
        out.print(
            f"[bold green]up[/], state in {escape(str(state))}; Ctrl-C stops it", soft_wrap=True
        )
        warn_of_change(Target.local(state), engine)
        tell(f"HTTP at {stack.facts.http_url} - {_who(http_without_keys)}")
        tell('S3 and all else of AWS, for any client:  eval "$(./run env)"')
        tell("next, in another terminal:  ./run people add 'Your Name' photo.jpg")
        while not stop.wait(1):
            stack.check()
        say("stopping …")


def _who(without_keys: bool) -> str:
    return "open to every program of this machine" if without_keys else "./run keys add makes a key"


def _checked(given: Sequence[str] | None) -> Mapping[str, str]:
    from infra import template
    from infra.deploying.parameters import problems

    parameters = pairs("--parameter", given)
    if "Engine" in parameters:
        raise ConfigError("--parameter Engine: say --engine instead, which fetches it, too")
    for problem in problems(template.load(), parameters):
        raise ConfigError(f"--parameter {problem}")
    return parameters
