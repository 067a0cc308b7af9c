"""An agent that is killed with -9 at random moments, again and again, in fair weather and foul."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from infra.fleet.duty import Duty
from infra.fleet.fault_proxy import FaultProxy, ProxiedLine
from infra.fleet.ledger import Ledger
from infra.fleet.small_ground import SmallGround
from infra.fleet.weather import CALM, Weather
from infra.packaging import PROJECT
from tests.resilience.crowd import DEADLINE_S, duty_of

# 200 of them take three minutes.
KILLS = int(os.environ.get("SIGHTLINE_KILLS", "25"))
KEPT = 6  # frames: more wait than that when there is no network for a third of a second
CUT = Weather(name="outage", state="cut")
SILENT = Weather(name="silent", state="silent")


def test_whenever_an_agent_is_killed_each_frame_it_acknowledged_is_answered_or_counted_as_dropped(
    ground: SmallGround, ledger: Ledger, clip: Path, tmp_path: Path
) -> None:
    with FaultProxy() as proxy:
        line = proxy.line(ground.upstreams)
        duty = duty_of("door", ground, line, clip, tmp_path, interval_s=0.03, max_frames=KEPT)
        *events, end = lives(duty, line, tmp_path)
    acknowledged = {each["frame"] for each in events if each["what"] == "captured"}
    told_answered = {each["frame"] for each in events if each["what"] == "answered"}
    told_dropped = {each["frame"] for each in events if each["what"] == "dropped"}
    # The spool knows of results of dropped frames, too: they were under way.
    answered = told_answered | set(end["known"]) - told_dropped
    told_new = Counter(each["frame"] for each in events if each["what"] == "result" and each["new"])
    answers = ledger.fates()

    assert [each for each in events if each["what"] == "failed"] == []
    assert len(acknowledged) > KILLS
    assert end["depth"] == 0
    assert sum(depth > 0 for depth in end["left"]) > KILLS / 2  # it was killed at work

    # The spool's own count outlives each kill; what was dropped and not told of is in it, too.
    assert end["dropped"] >= KILLS / 3
    assert len(told_dropped) > 0
    assert told_answered.isdisjoint(told_dropped)
    assert len(acknowledged - answered) <= end["dropped"]
    # Nothing is counted twice, either: a kill leaves one frame, at most, that was on its way in.
    assert 0 <= len(answered) + end["dropped"] - len(acknowledged) <= KILLS

    assert [frame for frame, times in told_new.items() if times > 1] == []
    assert all(answers[frame].cloud_new == 1 for frame in answered)
    assert all(answers[frame].cloud_new <= 1 for frame in acknowledged & answers.keys())
    assert not any(answers[frame].rejected for frame in answered)


def lives(duty: Duty, line: ProxiedLine, folder: Path) -> list[dict[str, Any]]:
    """Let it live and die; each third agent has no network, or loses it at its first frame."""
    told: list[dict[str, Any]] = []
    life = 0
    with doomed(duty, folder) as (orders, lines):
        for each in map(json.loads, lines):
            if "life" in each:
                life = each["life"]
                line.become(CUT if life % 6 == 2 and life < KILLS else CALM)
                orders.write("\n")
                orders.flush()
                continue
            loses = each.get("what") == "captured" and life % 6 == 5 and life < KILLS
            if loses and line.history()[-1][1] is not SILENT:
                line.become(SILENT)
            told.append(each)
    return told


@contextmanager
def doomed(duty: Duty, folder: Path) -> Iterator[tuple[IO[str], IO[str]]]:
    """Run it; give where it listens, and what it says. It must come to a good end in time."""
    orders, log = folder / "duty.json", folder / "doomed.log"
    orders.write_text(json.dumps(asdict(duty)))
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("doomed.py"), orders, f"{KILLS}", "7"],
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    late = threading.Timer(DEADLINE_S + 3 * KILLS, process.kill)
    late.start()
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        try:
            yield process.stdin, process.stdout
        except BaseException:
            process.kill()
            raise
        finally:
            late.cancel()
    assert process.returncode == 0, log.read_text()
