"""An agent that was killed while the broker was away, and one that finds its folder taken."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.local.ports import free_port
from infra.target import Target
from tests.end_to_end.actors import DATA, Agent, Device, eventually, one_line

pytestmark = pytest.mark.stack

MakeDevice = Callable[..., Device]
StartAgent = Callable[..., Agent]


def stored(target: Target, device: Device) -> list[str]:
    found = target.client("s3").list_objects_v2(
        Bucket=target.output("MediaBucket"), Prefix=f"frames/{device.thing}/"
    )
    return [Path(each["Key"]).stem for each in found.get("Contents", [])]


def test_frames_of_an_agent_that_was_killed_are_answered_to_the_next_once_each(
    target: Target, device: MakeDevice, start_agent: StartAgent, grace: str
) -> None:
    made = device()
    made.configure("interval_s = 0.5", "interval_s = 0.2")
    port = f"port = {target.endpoints().mqtt_port}"
    nowhere = f"port = {free_port()}"
    made.configure(port, nowhere)
    first = start_agent(made, "--camera", DATA, "--loop")
    eventually("frames in the bucket", lambda: len(stored(target, made)) >= 4)
    first.signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    made.configure(nowhere, port)

    second = start_agent(made, "--camera", DATA, "--loop", "--frames", "1", "--json")
    assert second.wait() == 0, second.log

    *lines, summary = map(json.loads, second.lines)
    assert (summary["captured"], summary["dropped"], summary["unanswered"]) == (1, 0, 0)
    assert summary["resumed"] >= 4
    assert summary["answered"] == summary["resumed"] + 1 == len(lines)
    answered = [each["frame_id"] for each in lines if each["new"]]
    assert len(answered) == len({*answered}) == len(lines)
    assert {*answered} == {*stored(target, made)}
    assert f"{summary['resumed']} frames wait from before" in second.log


def test_a_second_agent_on_one_spool_is_refused_in_one_line(
    device: MakeDevice, start_agent: StartAgent
) -> None:
    made = device()
    first = start_agent(made, "--camera", DATA, "--loop")
    first.wait_for_lines(1)

    second = start_agent(made, "--camera", DATA)

    assert second.wait() == 2
    said = one_line("\n".join(each for each in second.log.splitlines() if "device: " in each))
    assert f"another agent has this spool, process {first.process.pid}; stop it" in said
    first.signal(signal.SIGTERM)
    assert first.wait() == 0
