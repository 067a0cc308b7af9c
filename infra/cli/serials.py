"""`serials`: which devices may join the fleet."""

from typing import Annotated

import typer

from infra.cli.console import print_json, print_table, say
from infra.cli.context import target
from infra.provisioning.serials import Serial, SerialList
from sightline.errors import ConfigError
from sightline.fleet import thing_of

app = typer.Typer(
    help="Which serial numbers may join the fleet: list, add, release, remove.",
    no_args_is_help=True,
)

Numbers = Annotated[
    list[str], typer.Argument(metavar="SERIAL...", help="As `serials list` shows them.")
]


@app.command("list")
def list_(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, for a program to read.")] = False,
) -> None:
    """Show who may join, and who has.

    ./run serials list
    """
    rows = SerialList.of(target(context)).all()
    if as_json:
        for row in rows:
            print_json(
                {
                    "serial_number": row.number,
                    "thing": row.thing,
                    "certificate_id": row.certificate_id,
                    "admitted_at": row.admitted_at,
                    "note": row.note,
                }
            )
        return
    print_table(
        ["serial number", "thing", "joined", "certificate", "note"],
        [
            [
                row.number,
                row.thing,
                (row.admitted_at or "not yet")[:19],
                (row.certificate_id or "")[:12],
                row.note or "",
            ]
            for row in rows
        ],
        empty="no serial number may join; ./run serials add SERIAL",
    )


@app.command()
def add(
    context: typer.Context,
    numbers: Annotated[
        list[str], typer.Argument(metavar="SERIAL...", help="A Pi's own: cat /proc/cpuinfo.")
    ],
    thing: Annotated[
        str | None, typer.Option(help="What it is to be called; after its number unless given.")
    ] = None,
    note: Annotated[str | None, typer.Option(help="Your own words about it.")] = None,
) -> None:
    """Let devices join.

    ./run serials add 10000000abcdef01 --thing front-door
    """
    if thing is not None and len(numbers) > 1:
        raise ConfigError("--thing names one device; give one serial number with it")
    rows = [Serial(number=each, thing=thing or thing_of(each), note=note) for each in numbers]
    for row in SerialList.of(target(context)).add(rows):
        say(f"serial number {row.number} may join as {row.thing}")


@app.command()
def release(context: typer.Context, numbers: Numbers) -> None:
    """Let devices that have lost their certificate join again; the old one stays valid.

    ./run serials release 10000000abcdef01
    """
    serials = SerialList.of(target(context))
    for number in numbers:
        row = serials.release(number)
        if row.certificate_id is None:
            say(f"serial number {number} ({row.thing}) was not claimed")
        else:
            say(
                f"serial number {number} may join again; once {row.thing} has: "
                f"./run revoke {row.thing} --old"
            )


@app.command()
def remove(context: typer.Context, numbers: Numbers) -> None:
    """Let devices join no more; one that has joined stays, until ./run revoke.

    ./run serials remove 10000000abcdef01
    """
    serials = SerialList.of(target(context))
    for number in numbers:
        row = serials.remove(number)
        say(f"serial number {number} ({row.thing}) is off the list")
