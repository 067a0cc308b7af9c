"""Workers that fail: time-outs, crashes, failing starts; and what they may see."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from infra.local.lambda_service.environment import INHERITED
from infra.local.lambda_service.invocation import failure
from infra.local.lambda_service.starts import Starts

from .conftest import Lab, eventually

MISBEHAVE = """
import os, sys, time
def handler(event, context):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(f"{os.getpid()}\\n")
    match event:
        case "sleep": time.sleep(60)
        case "exit": os._exit(3)
        case "leave": sys.exit(0)
    return os.getpid()
"""
ONCE = """
import os, pathlib, time
def handler(event, context):
    mark = pathlib.Path(os.environ["NOTES"])
    if not mark.exists():
        mark.write_text(str(os.getpid()))
        time.sleep(60)
    return "served"
"""
ENVIRONMENT = """
import os, sys
def handler(event, context):
    return {"environment": dict(os.environ), "path": sys.path, "cwd": os.getcwd(),
            "stdin": sys.stdin.read()}
"""


def alive(pid: int) -> bool:
    """Whether the process *pid* runs; a zombie, where that can be told, does not."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc/self").exists()
    return state.rsplit(")", 1)[1].split()[0] != "Z"


def test_a_task_that_times_out_is_killed_and_its_worker_replaced(lab: Lab) -> None:
    caller = lab.service(lab.function(MISBEHAVE, timeout_s=1.0))
    answer = caller.invoke("sleep")
    assert answer.headers["X-Amz-Function-Error"] == "Unhandled"
    assert answer.json["errorType"] == "Sandbox.Timedout"
    assert answer.json["errorMessage"].endswith("Task timed out after 1.00 seconds")
    first = int(lab.lines()[0])
    assert not alive(first)
    assert caller.invoke("well").json != first


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ("exit", "Runtime exited with error: exit status 3"),
        ("leave", "Runtime exited without providing a reason"),
    ],
)
def test_a_worker_that_ends_by_itself_is_replaced(lab: Lab, event: str, text: str) -> None:
    caller = lab.service(lab.function(MISBEHAVE))
    answer = caller.invoke(event)
    assert answer.json["errorType"] == "Runtime.ExitError"
    assert answer.json["errorMessage"].endswith(text)
    assert caller.invoke("well").status == 200


def test_a_worker_killed_in_the_middle_of_an_event_loses_nothing(lab: Lab) -> None:
    caller = lab.service(lab.function(ONCE, timeout_s=60))
    caller.send({})
    eventually(lambda: lab.lines() != [], "it has the event in hand")
    os.kill(int(lab.lines()[0]), signal.SIGKILL)
    eventually(lambda: caller.service.stats("fn").done == 1, "the retry served it")
    stats = caller.service.stats("fn")
    assert (stats.failed, stats.retried, stats.starts, stats.dead) == (1, 1, 2, 0)


def test_a_kill_is_told_from_an_exit(lab: Lab) -> None:
    caller = lab.service(lab.function(ONCE, timeout_s=60, retries=0))
    caller.send({})
    eventually(lambda: lab.lines() != [], "it has the event in hand")
    os.kill(int(lab.lines()[0]), signal.SIGKILL)
    record = lab.destination.wait_for(1)[0]
    assert record["responsePayload"]["errorType"] == "Runtime.ExitError"
    assert "signal: killed" in record["responsePayload"]["errorMessage"]


def test_a_worker_that_died_idle_is_replaced_without_a_failure(lab: Lab) -> None:
    caller = lab.service(lab.function(MISBEHAVE))
    for _ in range(3):
        pid = caller.invoke("well").json
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: caller.service.worker_pids("fn") == [], "its death is noticed")
        answer = caller.invoke("well")
        assert "X-Amz-Function-Error" not in answer.headers
        assert answer.json != pid
    assert caller.service.stats("fn").failed == 0


def test_children_of_a_worker_go_with_it(lab: Lab) -> None:
    source = """
import os, subprocess, sys
def handler(event, context):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(f"{child.pid}\\n")
    os._exit(1)
"""
    caller = lab.service(lab.function(source, retries=0))
    caller.send({})
    lab.destination.wait_for(1)
    eventually(lambda: not alive(int(lab.lines()[0])), "the child is gone")


@pytest.mark.parametrize(
    ("source", "kind", "text"),
    [
        ("import no_such_thing", "Runtime.ImportModuleError", "No module named 'no_such_thing'"),
        ("def handler(:", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
        ("x = 1", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("raise OSError('no model')", "OSError", "no model"),
        ("import sys; sys.exit(5)", "Runtime.ExitError", "exit status 5"),
        ("import os; os._exit(6)", "Runtime.ExitError", "exit status 6"),
    ],
)
def test_a_function_that_cannot_start_says_why(
    lab: Lab, source: str, kind: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    caller = lab.service(lab.function(source))
    answer = caller.invoke({})
    assert answer.headers["X-Amz-Function-Error"] == "Unhandled"
    assert answer.json["errorType"] == kind
    assert text in answer.json["errorMessage"]
    assert text in str(caller.service.stats("fn").start_error)
    assert "function fn cannot start" in caplog.text


def test_a_function_that_cannot_start_does_not_spin(lab: Lab) -> None:
    caller = lab.service(lab.function("import no_such_thing", workers=2))
    for _ in range(30):
        assert caller.invoke({}).json["errorType"] == "Runtime.ImportModuleError"
    # One, and some more on a machine so slow that the pauses between starts run out meanwhile.
    assert caller.service.stats("fn").starts < 6


def test_pauses_between_starts_grow_and_end_with_a_success(tmp_path: Path) -> None:
    starts = Starts("fn", tmp_path)
    pauses = []
    for _ in range(10):
        before_s = time.monotonic()
        starts.failed(failure("Runtime.ExitError", "no"))
        pauses.append(round(starts.not_before_s - before_s, 1))
    assert pauses == sorted(pauses)
    assert 0.5 <= pauses[0] < pauses[-1]
    assert pauses[-1] == pytest.approx(30, abs=1)
    starts.succeeded()
    assert starts.not_before_s <= time.monotonic()
    assert starts.error is None


def test_events_of_a_function_that_cannot_start_are_not_lost(lab: Lab) -> None:
    caller = lab.service(lab.function("import no_such_thing", workers=2), grace_s=0.1)
    for _ in range(50):
        caller.send({})
    caller.service.stop()
    assert len(lab.destination.records) == 50


def test_a_function_recovers_once_it_can_start(lab: Lab) -> None:
    function = lab.function("import missing\ndef handler(e, c):\n    return 1\n")
    caller = lab.service(function)
    caller.send({})
    eventually(lambda: caller.service.stats("fn").failed == 1, "the first try failed")
    (function.folder / "missing.py").write_text("", encoding="utf-8")
    eventually(lambda: caller.service.stats("fn").done == 1, "a retry served it")
    assert caller.service.stats("fn").start_error is None


def test_an_import_that_takes_too_long_is_ended(lab: Lab) -> None:
    caller = lab.service(lab.function("import time; time.sleep(60)", init_timeout_s=0.5))
    answer = caller.invoke({})
    assert answer.json["errorMessage"] == "Error: Init timed out after 0.50 seconds"


def test_a_worker_sees_nothing_of_the_service_it_was_not_given(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the operator's")
    monkeypatch.setenv("MINISTACK_ROOT", "secret")
    monkeypatch.setenv("TZ", "UTC")
    environment = {"SIGHTLINE_ENGINE": "dlib", "AWS_REGION": "eu-west-1", "_HANDLER": "other"}
    function = lab.function(
        ENVIRONMENT,
        environment=environment,
        refresh_environment=lambda: {"AWS_SECRET_ACCESS_KEY": "the role's"},
    )
    seen = lab.service(function).invoke({}).json
    variables = seen["environment"]
    assert variables["AWS_SECRET_ACCESS_KEY"] == "the role's"
    assert variables["SIGHTLINE_ENGINE"] == "dlib"
    assert variables["AWS_REGION"] == variables["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert variables["_HANDLER"] == "app.handler"
    assert variables["TZ"] == "UTC"
    known = {*INHERITED, "SIGHTLINE_ENGINE", "LC_CTYPE", "PYTHONPATH", "LAMBDA_TASK_ROOT"}
    strange = {n for n in variables if n not in known and not n.startswith(("AWS_", "_"))}
    assert strange == set()
    assert "the operator's" not in json.dumps(variables)
    assert seen["cwd"] == variables["LAMBDA_TASK_ROOT"] == str(function.folder)
    assert seen["path"][0] == str(function.folder)
    assert not any("lambda_service" in entry for entry in seen["path"] if entry != seen["cwd"])
    assert seen["stdin"] == ""


@pytest.mark.parametrize(("timeout_s", "further"), [(30, 0), (60, 0), (300, 5), (900, 10)])
def test_a_worker_that_may_take_long_stands_back(lab: Lab, timeout_s: int, further: int) -> None:
    source = "import os\ndef handler(event, context): return os.getpriority(os.PRIO_PROCESS, 0)"
    own = os.getpriority(os.PRIO_PROCESS, 0)

    answer = lab.service(lab.function(source, timeout_s=timeout_s)).invoke({})

    assert answer.json == min(19, own + further)


def test_a_worker_with_old_credentials_is_replaced_before_it_is_needed(lab: Lab) -> None:
    granted: list[str] = []

    def refresh() -> dict[str, str]:
        granted.append("")
        return {"AWS_SESSION_TOKEN": f"token {len(granted)}"}

    source = "import os\ndef handler(e, c):\n    return os.environ['AWS_SESSION_TOKEN']\n"
    function = lab.function(source, refresh_environment=refresh, environment_lifetime_s=0.5)
    caller = lab.service(function)
    assert caller.invoke({}).json == "token 1"
    eventually(lambda: len(granted) >= 2, "another worker, while nobody asks")
    assert caller.invoke({}).json != "token 1"
    assert caller.service.stats("fn").failed == 0


def test_an_event_outlives_credentials_that_cannot_be_had_for_a_while(lab: Lab) -> None:
    asked: list[str] = []

    def refresh() -> dict[str, str]:
        asked.append("")
        if len(asked) == 1:
            raise ConnectionError("no answer")
        return {}

    caller = lab.service(lab.function(MISBEHAVE, refresh_environment=refresh, retries=0))
    caller.send("well")
    eventually(lambda: caller.service.stats("fn").done == 1, "it is served in the end")
    assert caller.service.stats("fn").failed == 0  # it was not the function's fault


def test_a_missing_interpreter_is_no_reason_to_lose_an_event(lab: Lab) -> None:
    function = lab.function(MISBEHAVE)
    broken = function.folder / "python"
    broken.write_text("#!/nowhere\n", encoding="utf-8")
    broken.chmod(0o700)
    changed = lab.function(MISBEHAVE, name="broken", python=broken)
    caller = lab.service(changed, grace_s=0.2)
    caller.send("well", name="broken")
    eventually(lambda: caller.service.stats("broken").start_error is not None, "it was tried")
    caller.service.stop()
    record = lab.destination.records[0][1]
    assert record["requestContext"]["condition"] == "ServiceStopped"


def test_output_goes_to_the_functions_log_and_payloads_do_not(lab: Lab) -> None:
    source = """
import logging
def handler(event, context):
    print("printed")
    logging.getLogger().warning("logged")
"""
    caller = lab.service(lab.function(source))
    caller.invoke({"face": "a payload"})
    caller.service.stop()
    log = lab.folder / "logs" / "fn.log"
    text = log.read_text(encoding="utf-8")
    assert "printed\n" in text
    assert "logged\n" in text
    assert "REPORT RequestId: " in text
    assert "a payload" not in text
    assert log.stat().st_mode & 0o777 == 0o600
