"""`keys …`: who may use the HTTP API."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.markup import escape

from cloud.http.keys import SCOPES, ApiKey, Scope, issue
from cloud.http.keys_table import KeysTable
from infra.cli.console import print_json, print_table, say, tell
from infra.cli.context import target
from infra.target import Target
from sightline.errors import ConfigError
from sightline.wire import write_time

app = typer.Typer(help="Who may use the HTTP API: add, list, revoke.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="JSON, for a program to read.")]

_LASTS = re.compile(r"([1-9][0-9]{0,4})([hd])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1)}


@app.command(epilog="Example: ./run keys add kiosk --scope recognise --scope read")
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Whose it is, for `keys list`.")],
    scopes: Annotated[
        list[str] | None,
        typer.Option("--scope", help="What it may do: read, recognise or enrol; may be repeated."),
    ] = None,
    lasts: Annotated[
        str | None, typer.Option(help="How long it opens anything: 12h, 90d; else until revoked.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key, and show it: this once, for only its digest is kept."""
    now = datetime.now(UTC)
    until = None if lasts is None else now + _duration(lasts)
    key, text = issue(name, _scopes(scopes), now=now, valid_until=until)
    _table(target(context)).add(key)
    if as_json:
        print_json({**_json(key), "key": text})
        return
    tell(text)
    ends = "until it is revoked" if until is None else f"until {write_time(until)}"
    say(f"{name} may {', '.join(sorted(key.scopes))}, {ends}; the key is shown this once")
    say("send it as the header  Authorization: Bearer <key>")


@app.command("list", epilog="Example: ./run keys list")
def list_keys(context: typer.Context, as_json: AsJson = False) -> None:
    """Show all keys, but not what opens: that is kept nowhere."""
    keys = _table(target(context)).all()
    if as_json:
        print_json([_json(key) for key in keys])
        return
    now = datetime.now(UTC)
    rows = [
        (
            key.id,
            escape(key.name),
            ", ".join(sorted(key.scopes)),
            f"{key.created_at:%Y-%m-%d %H:%M}",
            _state(key, now),
        )
        for key in keys
    ]
    print_table(
        ("id", "name", "scopes", "made", "state"),
        rows,
        empty="There are no keys yet: keys add NAME --scope read",
    )


@app.command(epilog="Example: ./run keys revoke q3kz5n7wd2ab")
def revoke(
    context: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="As `keys list` shows them.")],
) -> None:
    """Let keys open nothing any more, from the next request on."""
    table = _table(target(context))
    for key_id in ids:
        key = table.revoke(_id_in(key_id), datetime.now(UTC))
        say(f"{key.id} ({key.name}) opens nothing any more")


def _table(where: Target) -> KeysTable:
    return KeysTable(where.client("dynamodb"), where.output("KeysTable"))


def _scopes(given: list[str] | None) -> list[Scope]:
    scopes = [scope for scope in SCOPES if scope in (given or ())]
    wrong = [scope for scope in given or () if scope not in SCOPES]
    if wrong or not scopes:
        what = f"there is no scope {wrong[0]!r}" if wrong else "the key could do nothing"
        raise ConfigError(f"{what}; give --scope {', --scope '.join(SCOPES)}, or some of them")
    return scopes


def _duration(text: str) -> timedelta:
    found = _LASTS.fullmatch(text)
    if found is None:
        raise ConfigError(f"--lasts {text!r}: give hours or days, such as 12h or 90d")
    return int(found[1]) * _UNITS[found[2]]


def _id_in(text: str) -> str:
    """Take a whole key for its id: who revokes one in a hurry may have no more."""
    return text.split("_")[1] if text.startswith("sl_") and text.count("_") >= 2 else text


def _state(key: ApiKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d %H:%M}"
    if key.valid_until is None:
        return "valid"
    word = "valid until" if key.valid_until > now else "over since"
    return f"{word} {key.valid_until:%Y-%m-%d %H:%M}"


def _json(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "created_at": write_time(key.created_at),
        "valid_until": None if key.valid_until is None else write_time(key.valid_until),
        "revoked_at": None if key.revoked_at is None else write_time(key.revoked_at),
    }
