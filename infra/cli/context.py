"""Which stack a command means: the one on this machine, or one on AWS."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from infra.cli.console import say
from infra.operating.operator_client import OperatorClient
from infra.provisioning.operators import broker_of
from infra.target import Target
from sightline.errors import ConfigError

PROJECT = Path(__file__).parents[2]
STATE = Path(os.environ.get("SIGHTLINE_STATE") or PROJECT / ".sightline")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the options before the command's name said."""

    state: Path  # the local stack's folder
    stack: str | None  # a stack on AWS; None: the local one
    region: str | None
    profile: str | None


def chosen(context: typer.Context) -> Choice:
    """Give what the options before the command's name said."""
    choice = context.find_object(Choice)
    assert choice is not None  # noqa: S101 - the callback of the app sets it
    return choice


def pairs(option: str, given: Sequence[str] | None) -> dict[str, str]:
    """Read what an option that may come several times was given as NAME=VALUE.

    Raises:
        ConfigError: One is none.
    """
    found = {}
    for each in given or []:
        name, separator, value = each.partition("=")
        if not separator:
            raise ConfigError(f"{option} {each!r}: write NAME=VALUE, such as FrameDays=3")
        found[name] = value
    return found


def target(context: typer.Context) -> Target:
    """Find the stack that a command means.

    Raises:
        ConfigError: It is not there; the text says how to start or deploy it.
    """
    choice = chosen(context)
    if choice.stack is None:
        return Target.local(choice.state)
    return Target.aws(choice.stack, region=choice.region, profile=choice.profile)


def operator(context: typer.Context) -> OperatorClient:
    """Make an MQTT client of that stack's, still to be entered.

    Raises:
        ConfigError: The stack is not there, or refuses operators.
    """
    choice, where = chosen(context), target(context)
    name = f"operator-{choice.stack}-{where.account.region}" if choice.stack else "operator"
    return OperatorClient(broker_of(where, choice.state / name, say))
