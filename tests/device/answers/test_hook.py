import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from device.answers.hook import WAITING, Hook
from device.answers.results import Outcome
from device.streak import QUIET_S
from sightline.errors import ConfigError
from sightline.messages import FrameRejected, encode
from tests.device.fakes import ADA, DEADLINE_S, NOON, recognized, until
from tests.device.spooling.spools import Clock


def outcome(frame_id: str = "a", *, new: bool = True) -> Outcome:
    message = recognized(frame_id, ADA)
    return Outcome(
        message=message, payload=encode(message), received_at=NOON, new=new, key=None, stages_ms={}
    )


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def test_the_hook_gets_each_new_result_on_its_standard_input(tmp_path: Path) -> None:
    code = "import json, sys; d = sys.stdin.read(); name = json.loads(d)['frame_id']; "
    code += "open(sys.argv[1] + name, 'w').write(d)"
    with Hook(python(code, f"{tmp_path}/")) as hook:
        for frame_id in ("a", "b"):
            hook.result(outcome(frame_id))
        hook.result(outcome("again", new=False))

    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    assert json.loads((tmp_path / "a").read_text()) == {
        **json.loads(outcome().payload),
        "late": False,
        "age_s": None,
    }


def test_the_hook_is_told_that_a_result_is_late(tmp_path: Path) -> None:
    code = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())"
    with Hook(python(code, str(tmp_path / "got"))) as hook:
        hook.result(replace(outcome(), late=True, age_s=34.5678))

    told = json.loads((tmp_path / "got").read_text())
    assert (told["late"], told["age_s"], told["frame_id"]) == (True, 34.568, "a")


def test_no_shell_reads_the_command(tmp_path: Path) -> None:
    target = tmp_path / "made by a shell"
    with Hook(python("", f"; touch '{target}'", f"$(touch '{target}')")) as hook:
        hook.result(outcome())

    assert not target.exists()


def test_rejections_are_not_the_hooks_business(tmp_path: Path) -> None:
    message = FrameRejected(frame_id=None, device="d", reason="internal", detail="", key=None)
    with Hook(python("import sys; open(sys.argv[1], 'w')", str(tmp_path / "called"))) as hook:
        hook.result(
            Outcome(
                message=message,
                payload=encode(message),
                received_at=NOON,
                new=True,
                key=None,
                stages_ms={},
            )
        )

    assert not (tmp_path / "called").exists()


def test_a_hook_that_takes_too_long_is_ended_with_all_that_it_started(
    caplog: pytest.LogCaptureFixture,
) -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'], stdin=None); "
    code += "import signal; signal.pause()"
    with Hook(python(code), timeout_s=0.2) as hook:
        hook.result(outcome())

    assert "ended after 0.2 s" in caplog.text


def test_what_a_hook_left_behind_keeps_no_result_waiting(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    # In a session of its own nothing ends it, and it has the pipe, which it does not read.
    code = "import os, pathlib, signal, subprocess, sys; "
    code += "held = subprocess.Popen(['sleep', '60'], start_new_session=True, stdin=0); "
    code += "pathlib.Path(sys.argv[1], str(held.pid)).touch(); signal.pause()"
    long = replace(outcome(), payload=json.dumps({"frame_id": "x" * 300_000}).encode())
    try:
        with Hook(
            python(code, str(tmp_path)), timeout_s=1, processes=1, stop_timeout_s=DEADLINE_S
        ) as hook:
            hook.result(long)
            hook.result(outcome())
            until(lambda: len(list(tmp_path.iterdir())) == 2)  # so the first was ended
    finally:
        for each in tmp_path.iterdir():
            os.kill(int(each.name), signal.SIGKILL)
    assert "the hook failed 2 times" in caplog.text


def test_a_hook_that_fails_or_reads_nothing_is_named(caplog: pytest.LogCaptureFixture) -> None:
    with Hook(python("raise SystemExit(3)")) as hook:
        hook.result(outcome())

    assert "exit status 3" in caplog.text


def test_results_never_wait_for_a_slow_hook(caplog: pytest.LogCaptureFixture) -> None:
    command = python("import signal; signal.pause()")
    with Hook(command, timeout_s=60, processes=1, stop_timeout_s=0) as hook:
        for i in range(103):
            hook.result(outcome(str(i)))
        assert "too slow" in caplog.text


def test_a_hook_that_hangs_is_told_of_once_and_what_it_does_not_get_is_counted(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    code = "import pathlib, signal, sys; "
    code += "pathlib.Path(sys.argv[1], 'begun').touch(); signal.pause()"
    command = python(code, str(tmp_path))
    with Hook(command, timeout_s=3600, processes=1, stop_timeout_s=0) as hook:
        hook.result(outcome("first"))
        until((tmp_path / "begun").exists)
        for i in range(1000):
            hook.result(outcome(str(i)))
        (told,) = caplog.messages
        assert f"too slow: result {WAITING} " in told

    _, counted, stopped = caplog.messages
    assert f"{1000 - WAITING} results were not handed to the hook" in counted
    assert f"1 ended, and {WAITING} results let go" in stopped


def test_a_hook_that_fails_for_long_is_told_of_once_and_again_when_it_is_mended(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    code = "import json, sys; name = json.load(sys.stdin)['frame_id']; "
    code += "open(sys.argv[1] + name, 'w'); raise SystemExit(3 if 'bad' in name else 0)"
    clock = Clock()
    with Hook(python(code, f"{tmp_path}/"), processes=1, clock=clock) as hook:
        for frame_id in ("bad-1", "bad-2", "bad-3", "good-1"):
            hook.result(outcome(frame_id))
        until((tmp_path / "good-1").exists)  # one after the other: so all before it have ended
        assert [each[-13:] for each in caplog.messages] == ["exit status 3"]
        clock.now_s += QUIET_S
        hook.result(outcome("good-2"))
        until(lambda: len(caplog.messages) == 2)

    assert caplog.messages[1:] == ["the hook failed 3 times within 0 s"]


def test_a_stop_ends_what_runs_and_lets_go_of_what_waits_and_says_how_much(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    code = "import pathlib, signal, sys; "
    code += "pathlib.Path(sys.argv[1], 'begun').touch(); signal.pause()"
    hook = Hook(python(code, str(tmp_path)), timeout_s=3600, processes=1, stop_timeout_s=0.05)
    begun_s = time.monotonic()
    with hook:
        for i in range(5):
            hook.result(outcome(str(i)))
        until((tmp_path / "begun").exists)

    assert time.monotonic() - begun_s < DEADLINE_S  # not 5 x 3600 s
    assert "1 ended, and 4 results let go" in caplog.text
    assert not any(thread.is_alive() for thread in hook._threads)


def test_what_waits_at_the_end_is_handed_on_while_there_is_time(tmp_path: Path) -> None:
    code = "import json, sys; name = json.load(sys.stdin)['frame_id']; "
    code += "open(sys.argv[1] + name, 'w')"
    command = python(code, f"{tmp_path}/")
    with Hook(command, processes=1, stop_timeout_s=DEADLINE_S) as hook:
        for frame_id in "abc":
            hook.result(outcome(frame_id))

    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_a_hook_that_is_no_program_is_refused() -> None:
    with pytest.raises(ConfigError, match="no program '/no/such/hook'"):
        Hook(["/no/such/hook"])
