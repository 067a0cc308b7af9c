"""An operator changes what a device does while it runs, by its shadow and the command line."""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.local.ports import free_port
from infra.local.stack import LocalStack
from infra.target import Target
from tests.end_to_end.actors import DATA, Agent, Device, eventually, one_line, run_command

pytestmark = pytest.mark.stack

MakeDevice = Callable[..., Device]
StartAgent = Callable[..., Agent]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    shutil.copy(DATA / "grace-hopper.jpg", folder)
    return folder


def peak_mb(agent: Agent) -> float:
    """Read the most memory that an agent has had."""
    lines = Path(f"/proc/{agent.process.pid}/status").read_text().splitlines()
    (found,) = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return int(found) / 1024


def test_settings_are_changed_refused_and_kept(
    stack: LocalStack,
    target: Target,
    device: MakeDevice,
    start_agent: StartAgent,
    pictures: Path,
) -> None:
    made = device()
    state = stack.settings.state

    def settings(*words: str) -> Any:
        found = run_command(state, "settings", made.thing, "--json", *words)
        assert found.out, found.err
        return found.status, json.loads(found.out)

    # Nothing is known yet, and what is asked for now is taken when it connects.
    status, found = settings("frames.interval_s=86400", "--wait", "0")
    assert (status, found["waits"]) == (0, ["frames.interval_s"])

    agent = start_agent(made, "--camera", str(pictures), "--loop")
    eventually("report", lambda: not settings()[1]["waits"])
    assert "frames.interval_s: 86400" in agent.log.replace("86400.0", "86400")

    status, found = settings("frames.interval_s=0.2", "frames.jpeg_quality=70", "gate.mode=off")
    assert (status, found["errors"], found["waits"]) == (0, {}, [])
    assert found["reported"]["frames.jpeg_quality"] == 70
    agent.wait_for_lines(len(agent.lines) + 3)  # at 86400 s there would be none

    assert peak_mb(agent) <= 150  # without the face check

    # Somebody writes past our own command what cannot be.
    bad = {"frames": {"interval_s": "often"}, "moon": {"phase": 1}}
    target.client("iot-data").update_thing_shadow(
        thingName=made.thing, payload=json.dumps({"state": {"desired": bad}}).encode()
    )
    eventually("refusal", lambda: settings()[1]["errors"])
    status, found = settings()
    assert status == 1
    assert found["reported"]["frames.interval_s"] == 0.2
    assert "expected a number, got 'often'" in found["errors"]["frames.interval_s"]
    assert "no such setting" in found["errors"]["moon"]
    shown = run_command(state, "settings", made.thing)
    assert "[frames] interval_s: expected a number" in shown.out

    # And takes it back: device.toml holds.
    target.client("iot-data").update_thing_shadow(
        thingName=made.thing, payload=b'{"state": {"desired": {"moon": null}}}'
    )
    status, found = settings("frames.interval_s=0.3", "frames.jpeg_quality=")
    assert (status, found["errors"]) == (0, {})
    assert found["reported"]["frames.jpeg_quality"] == 85
    agent.signal(signal.SIGKILL)
    agent.wait()

    # A start without a network keeps what was asked for.
    text = made.settings.read_text()
    port = next(line for line in text.splitlines() if line.startswith("port"))
    made.configure(port, f"port = {free_port()}")
    again = start_agent(made, "--camera", str(pictures), "--loop")
    eventually("kept settings", lambda: "frames.interval_s: 0.3 instead of" in again.log)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("frames.interval_s=0", "frames] interval_s: expected 0.02 to 86400, got 0"),
        ("frames.interval_s=often", "frames] interval_s: expected a number"),
        ("frames.intervall=1", "did you mean frames.interval_s?"),
        ("frames.intervall=", "did you mean frames.interval_s?"),
        ("camera.width=5", "no setting that can be changed from here"),
        ("frames.interval_s", "expected KEY=VALUE"),
    ],
)
def test_what_no_device_could_take_is_not_even_asked_for(
    stack: LocalStack, device: MakeDevice, word: str, expected: str
) -> None:
    found = run_command(stack.settings.state, "settings", device().thing, word)

    assert found.status == 2
    assert expected in one_line(found.err)


def test_a_device_that_is_not_there_is_named(stack: LocalStack) -> None:
    for words in ([], ["frames.interval_s=1"]):
        found = run_command(stack.settings.state, "settings", "no-such-door", *words)
        assert found.status == 2
        assert "no device no-such-door" in one_line(found.err)
