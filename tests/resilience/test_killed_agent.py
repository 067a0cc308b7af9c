"""An agent that is killed with -9 at random moments, again and again."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from infra.fleet.fault_proxy import FaultProxy
from infra.fleet.ledger import Ledger
from infra.fleet.small_ground import SmallGround
from infra.packaging import PROJECT
from tests.resilience.crowd import DEADLINE_S, duty_of

# 200 of them take two minutes.
KILLS = int(os.environ.get("SIGHTLINE_KILLS", "25"))


def test_whenever_an_agent_is_killed_each_frame_it_acknowledged_is_answered_and_told_of_once(
    ground: SmallGround, ledger: Ledger, clip: Path, tmp_path: Path
) -> None:
    with FaultProxy() as proxy:
        duty = duty_of(
            "door", ground, proxy.line(ground.upstreams), clip, tmp_path, interval_s=0.03
        )
        orders = tmp_path / "duty.json"
        orders.write_text(json.dumps(asdict(duty)))
        done = subprocess.run(
            [sys.executable, Path(__file__).with_name("doomed.py"), orders, f"{KILLS}", "7"],
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            capture_output=True,
            text=True,
            timeout=DEADLINE_S + 3 * KILLS,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    *events, end = [json.loads(line) for line in done.stdout.splitlines()]
    acknowledged = {each["frame"] for each in events if each["what"] == "captured"}
    told_answered = {each["frame"] for each in events if each["what"] == "answered"}
    told_new = [each["frame"] for each in events if each["what"] == "result" and each["new"]]
    answers = ledger.fates()

    assert [each for each in events if each["what"] in ("failed", "dropped", "given_up")] == []
    assert len(acknowledged) > KILLS
    assert acknowledged <= told_answered | set(end["known"])
    assert len(told_new) == len(set(told_new))
    assert end["depth"] == 0
    assert sum(depth > 0 for depth in end["left"]) > KILLS / 2  # it was killed at work
    assert all(answers[frame].cloud_new == 1 for frame in acknowledged)
    assert not any(answers[frame].rejected for frame in acknowledged)
