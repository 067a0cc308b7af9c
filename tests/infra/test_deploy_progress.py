"""What a deployment looks like while it works, on a terminal and elsewhere."""

import io
import itertools
from datetime import UTC, datetime

import pytest
from rich.console import Console

from infra.cli.deploy import _approve
from infra.cli.progress import Progress
from infra.deploying.changes import Change
from infra.deploying.events import StackEvent


def event(name: str, status: str, reason: str = "") -> StackEvent:
    return StackEvent(
        id=f"{name}-{status}",
        name=name,
        type="AWS::IoT::Policy",
        physical_id=name,
        status=status,
        reason=reason,
        at=datetime(2026, 11, 21, tzinfo=UTC),
        is_stack=name == "stack",
    )


EVENTS = [
    event("stack", "UPDATE_IN_PROGRESS"),
    event("A", "UPDATE_IN_PROGRESS"),
    event("A", "UPDATE_FAILED", "the [name] is taken"),
    event("stack", "UPDATE_ROLLBACK_COMPLETE"),
]


def shown(*, on_terminal: bool) -> str:
    text = io.StringIO()
    console = Console(file=text, force_terminal=on_terminal, width=100, color_system=None)
    seconds = itertools.count()
    with Progress(console, clock=lambda: float(next(seconds))) as progress:
        for each in EVENTS:
            progress.watch(each)
    return text.getvalue()


def test_elsewhere_every_event_is_a_plain_line_with_its_time() -> None:
    assert shown(on_terminal=False).splitlines() == [
        "   0.0 s  UPDATE_IN_PROGRESS  stack (AWS::IoT::Policy)",
        "   1.0 s  UPDATE_IN_PROGRESS  A (AWS::IoT::Policy)",
        "   2.0 s  UPDATE_FAILED  A (AWS::IoT::Policy): the [name] is taken",
        "   3.0 s  UPDATE_ROLLBACK_COMPLETE  stack (AWS::IoT::Policy)",
    ]


def test_on_a_terminal_what_is_done_stays_and_the_cursor_comes_back() -> None:
    text = shown(on_terminal=True)

    assert "UPDATE_FAILED  A (AWS::IoT::Policy): the [name] is taken" in text
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"replacement": "True"}, "People would be replaced by an empty one"),
        ({"replacement": "Conditional"}, "People may (AWS knows only when it does it) be replaced"),
        ({"action": "Remove"}, "People would no longer be the stack's"),
    ],
)
def test_it_is_said_what_would_cost_the_stack_its_data(
    capsys: pytest.CaptureFixture[str], change: dict[str, str], said: str
) -> None:
    given = {"action": "Modify", "name": "People", "type": "AWS::DynamoDB::Table"} | change
    changes = [
        Change(**given, holds_data=True),  # type: ignore[arg-type]
        Change(action="Modify", name="Log", type="AWS::Logs::LogGroup"),
    ]

    _approve(changes, "s", "eu-central-1", yes=True)

    err = capsys.readouterr().err
    assert f"{said}" in err
    assert "the old one is kept, but the stack no longer has what is in it" in err
    assert "Log would" not in err
