"""The parts that need no process: settings, backlog, log, hand-over."""

import io
import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.lambda_service import Function
from infra.local.lambda_service.backlog import Backlog
from infra.local.lambda_service.function_log import FunctionLog
from infra.local.lambda_service.handover import Handover
from infra.local.lambda_service.invocation import Invocation, Outcome
from sightline.errors import ConfigError


@pytest.mark.parametrize(
    "change",
    [
        {"name": "a b"},
        {"handler": "recognize"},
        {"folder": Path("/no/such/folder")},
        {"python": Path("/no/such/python")},
        {"timeout_s": 0},
        {"timeout_s": float("nan")},
        {"workers": 0},
        {"warm": 2},
        {"retries": -1},
        {"retry_delays_s": ()},
        {"retry_delays_s": (-1,)},
        {"max_event_age_s": 0},
        {"queue_limit": 0},
        {"environment_lifetime_s": float("inf")},
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, change: dict[str, Any]) -> None:
    settings: dict[str, Any] = {
        "name": "fn",
        "handler": "cloud.recognize.handler",
        "folder": tmp_path,
        "python": Path(sys.executable),
    }
    Function(**settings)
    with pytest.raises(ConfigError, match=next(iter(change))):
        Function(**{**settings, **change})


def test_credentials_are_not_in_a_functions_text(tmp_path: Path) -> None:
    function = Function(
        name="fn",
        handler="app.handler",
        folder=tmp_path,
        python=Path(sys.executable),
        environment={"TOKEN": "secret"},
    )
    assert "secret" not in repr(function)


@given(st.lists(st.tuples(st.integers(0, 5), st.binary(max_size=20)), max_size=30))
def test_a_backlog_gives_events_in_order_and_keeps_its_books(
    events: list[tuple[int, bytes]],
) -> None:
    backlog = Backlog(limit=30, limit_bytes=600)
    for due_s, payload in events:
        assert backlog.has_room(len(payload))
        backlog.add(Invocation(payload=payload), due_s=due_s)
    taken = []
    while (first := backlog.first()) is not None:
        assert backlog.take() is first[1]
        taken.append((first[0], first[1].payload))
    assert taken == sorted(events, key=lambda event: event[0])
    assert backlog.has_room(600)
    assert not backlog.has_room(601)


def test_a_log_keeps_its_size(tmp_path: Path) -> None:
    log = FunctionLog(tmp_path, "fn", max_bytes=100)
    for number in range(50):
        log.write(b"line %d" % number)
    log.close()
    log.write(b"after the end")
    lines = [*(tmp_path / "fn.log.1").read_bytes().split(), *log.path.read_bytes().split()]
    assert lines[-1] == b"49"
    assert log.path.stat().st_size <= 100
    assert (tmp_path / "fn.log.1").stat().st_size <= 100


def test_metrics_do_not_flood_the_log(tmp_path: Path) -> None:
    log = FunctionLog(tmp_path, "fn")
    line = json.dumps({"_aws": {}, "Frames": 1}, separators=(",", ":")).encode()
    log.copy(io.BytesIO(b"before\n" + line + b"\nafter\n"))
    log.close()
    assert log.path.read_bytes() == b"before\nafter\n"
    assert log.metrics_path.read_bytes() == line + b"\n"
    assert log.metrics_path.stat().st_mode & 0o777 == 0o600


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    log = FunctionLog(tmp_path, "fn")
    log.copy(io.BytesIO(b"x" * 200_000))
    log.close()
    assert max(len(line) for line in log.path.read_bytes().splitlines()) == 65_536


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full disk to hand")
def test_a_full_disk_costs_lines_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "fn.log").symlink_to("/dev/full")
    log = FunctionLog(tmp_path, "fn")
    log.write(b"one")
    log.write(b"two")
    log.close()
    assert caplog.text.count("takes no more lines: No space left on device") == 1


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"file/fn\.log cannot be written"):
        FunctionLog(tmp_path / "file", "fn")


def test_a_late_answer_is_not_taken_for_the_next_one() -> None:
    handover = Handover()
    first, second = Invocation(payload=b"1"), Invocation(payload=b"2")
    handover.offer(first, 1)
    taken = handover.take()
    assert taken is not None
    assert taken[0] is first
    assert handover.wait_outcome(0) == "late"
    handover.offer(second, 1)
    assert handover.take() is not None
    assert not handover.answer(first.request_id, Outcome(payload=b"late"))
    assert handover.answer(second.request_id, Outcome(payload=b"right"))
    assert handover.wait_outcome(0) == Outcome(payload=b"right")


def test_an_end_wakes_whoever_waits() -> None:
    handover = Handover()
    waiting = threading.Thread(target=handover.take)
    waiting.start()
    assert handover.wait_ready(5) == "ready"
    handover.end()
    waiting.join(timeout=5)
    assert not waiting.is_alive()
    handover.offer(Invocation(payload=b"1"), 1)
    assert handover.wait_outcome(5) == "untouched"
