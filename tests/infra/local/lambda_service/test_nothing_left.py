"""However the service ends, nothing of it stays."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from .conftest import Lab, eventually
from .test_workers import MISBEHAVE, alive

PROJECT = Path(__file__).parents[4]
SERVICE = """
import sys, threading
from pathlib import Path
from infra.local.lambda_service import Function, LambdaService
from infra.local.lambda_service.invocation import Invocation

folder = Path(sys.argv[1])
function = Function(
    name="fn", handler="app.handler", folder=folder, python=Path(sys.executable), workers=2,
    warm=2, environment={"NOTES": str(folder / "notes")}, timeout_s=60,
)
with LambdaService([function], log_folder=folder, on_failure=print) as service:
    service.wait_warm()
    print(*service.worker_pids("fn"), flush=True)
    service.submit("fn", Invocation(payload=b'"sleep"'))
    threading.Event().wait()
"""


def test_a_stop_leaves_no_process_and_no_thread(lab: Lab) -> None:
    before = set(threading.enumerate())
    caller = lab.service(lab.function(MISBEHAVE, workers=2, warm=2), grace_s=0.1)
    eventually(lambda: len(caller.service.worker_pids("fn")) == 2, "two workers")
    pids = caller.service.worker_pids("fn")
    caller.send("sleep")
    eventually(lambda: caller.service.stats("fn").running == 1, "one is busy")
    caller.service.stop()
    assert [pid for pid in pids if alive(pid)] == []
    assert [thread.name for thread in threading.enumerate() if thread not in before] == []


def test_a_stop_while_a_worker_starts_leaves_nothing(lab: Lab) -> None:
    caller = lab.service(lab.function("import time; time.sleep(60)", warm=1), grace_s=0.1)
    eventually(lambda: caller.service.stats("fn").starts == 1, "it is starting")
    pids = caller.service.worker_pids("fn")
    caller.service.stop()
    assert [pid for pid in pids if alive(pid)] == []


def test_a_service_that_is_killed_takes_its_workers_with_it(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(MISBEHAVE, encoding="utf-8")
    command = [sys.executable, "-c", SERVICE, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout is not None
            pids = [int(pid) for pid in service.stdout.readline().split()]
            notes = tmp_path / "notes"
            eventually(lambda: notes.exists() and notes.read_text() != "", "one is busy")
            assert len(pids) == 2  # so that the other is idle
            assert all(alive(pid) for pid in pids)
        finally:
            service.send_signal(signal.SIGKILL)
    eventually(lambda: not any(alive(pid) for pid in pids), "no worker is left", deadline_s=5)
