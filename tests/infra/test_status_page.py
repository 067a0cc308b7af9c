"""A stack's status as somebody reads it."""

from datetime import UTC, datetime, timedelta

import pytest

from infra.cli.status_page import show
from infra.operating.last_results import Result
from infra.operating.status import (
    DeadLetterState,
    DeviceState,
    FunctionState,
    Part,
    StackState,
    Status,
)
from infra.operating.videos_state import VideosState

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def status(**parts: object) -> Status:
    """A stack that was never used, but for *parts*."""
    empty: dict[str, object] = {
        "stack": Part(
            value=StackState(
                name="cam",
                region="eu-central-1",
                state="UPDATE_COMPLETE",
                changed_at=datetime.now(UTC) - timedelta(hours=3),
                version="0123456789ab",
                engine="dlib",
            )
        ),
        "functions": Part(value=[]),
        "devices": Part(value=[]),
        "videos": Part(value=VideosState(unfinished=0, since=None, chunks=0, in_work=0)),
        "dead_letters": Part(value=DeadLetterState(count=0, in_flight=0, oldest_s=None)),
        "results": Part(value=[]),
        "alarms": Part(value=[]),
        "alarms_watched": 8,
    }
    return Status(**(empty | parts))  # type: ignore[arg-type]


def shown(capsys: pytest.CaptureFixture[str], found: Status) -> dict[str, list[str]]:
    """What is written under each heading."""
    show(found)
    sections: dict[str, list[str]] = {}
    for section in capsys.readouterr().out.strip().split("\n\n"):
        title, *lines = section.splitlines()
        sections[title.strip()] = [" ".join(line.split()) for line in lines]
    return sections


def test_a_stack_that_nobody_has_used_yet_says_what_comes_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shown(capsys, status()) == {
        "stack": [
            "cam in eu-central-1: UPDATE_COMPLETE, changed 3 h ago, code 0123456789ab, engine dlib"
        ],
        "functions": ["none"],
        "devices": ["none: ./run provision front-door"],
        "videos": ["0 unfinished; 0 chunks wait, 0 in work"],
        "dead letters": ["0"],
        "last results": ["none yet"],
        "alarms": ["none of 8 has gone off"],
    }


def test_all_that_is_in_use_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    found = shown(
        capsys,
        status(
            functions=Part(
                value=[
                    FunctionState(
                        name="cam-recognize",
                        state="Active",
                        last_update="Successful",
                        changed_at="2026-11-21T09:30:00.000+0000",
                        invocations=12,
                        errors=0,
                    )
                ]
            ),
            devices=Part(
                value=[
                    DeviceState(name="door", state="online", at=AT, version="1.2", spooled=5),
                    DeviceState(name="silent", state="never heard"),
                ]
            ),
            dead_letters=Part(value=DeadLetterState(count=3, in_flight=1, oldest_s=7200)),
            results=Part(
                value=[
                    Result(
                        device="door",
                        captured_at=AT,
                        names=("Ada [Lovelace]",),
                        decisions={"known": 1, "unknown": 2},
                        late_ms=250,
                    ),
                    Result(device="door", captured_at=AT, names=(), decisions={}, late_ms=90),
                ]
            ),
            alarms=Part(value=["cam-Late: One result in twenty came late."]),
        ),
    )

    assert found["functions"][1] == "cam-recognize Active Successful 2026-11-21 09:30:00 12 0 -"
    door, silent = found["devices"][1:]
    assert door.startswith("door online ")
    assert door.endswith(" ago 1.2 5 -")
    assert silent == "silent never heard - -"
    assert found["dead letters"] == [
        "3, the oldest 2 h old; 1 being looked at - ./run redrive sends them round again"
    ]
    assert found["last results"][1:] == [
        "2026-11-21 09:30:00+00:00 door Ada [Lovelace] 1 known, 2 unknown 250 ms",
        "2026-11-21 09:30:00+00:00 door - no face 90 ms",
    ]
    assert found["alarms"] == ["cam-Late: One result in twenty came late."]


def test_a_part_that_one_may_not_see_says_so_and_the_others_are_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    refused: Part[list[str]] = Part(error="reading alarms: AccessDenied: not [you]")

    found = shown(capsys, status(alarms=refused, alarms_watched=0))

    assert found["alarms"] == ["not shown: reading alarms: AccessDenied: not [you]"]
    assert found["last results"] == ["none yet"]
