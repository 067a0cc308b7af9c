"""`settings`: what a device does, seen and changed while it runs."""

import json
from typing import Annotated, Any

import typer
from rich.markup import escape

from device.answers.lines import printable
from device.remote.live_settings import defaults
from infra.cli.console import print_json, print_table, say
from infra.cli.context import target
from infra.operating.device_settings import DeviceSettings, ask, parse, read, settled

app = typer.Typer()


@app.command()
def settings(
    context: typer.Context,
    thing: Annotated[str, typer.Argument(help="The device's name.")],
    changes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="KEY= alone: as its device.toml has it."),
    ] = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds for the device to answer.")] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="One object of JSON.")] = False,
) -> None:
    """Show a device's settings, or change some while it runs; one that is away takes them later.

    ./run settings front-door

    ./run settings front-door frames.interval_s=2 gate.mode=motion
    """
    where = target(context)
    if changes:
        ask(where, thing, parse(changes))
        found = settled(where, thing, wait)
    else:
        found = read(where, thing)
    _show(thing, found, as_json=as_json)
    if found.errors and found.answered:
        raise typer.Exit(1)


def _show(thing: str, found: DeviceSettings, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "thing": thing,
                "desired": dict(found.desired),
                "reported": dict(found.reported),
                "errors": dict(found.errors),
                "answered": found.answered,
                "waits": found.waits(),
            }
        )
        return
    paths = dict.fromkeys([*defaults(), *found.desired, *found.reported])
    rows = [
        [
            path,
            _text(found.desired.get(path)),
            _text(found.reported.get(path)),
            found.errors.get(path, ""),
        ]
        for path in paths
        if path in found.desired or path in found.reported
    ]
    rows += [[path, "", "", why] for path, why in found.errors.items() if path not in paths]
    print_table(
        ["setting", "asked for", "in force", "refused"],
        [[escape(printable(cell)) for cell in row] for row in rows],
        empty=f"{thing} has said nothing of its settings yet; nothing is asked for",
    )
    if waits := found.waits():
        say(f"{thing} has not seen {', '.join(waits)} yet; it does when it is connected")


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
