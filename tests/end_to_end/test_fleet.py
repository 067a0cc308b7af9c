"""A small fleet on the stack: the real rule and function, with faults between."""

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.demo.rehearsal import KNOWN, STRANGER, portrait
from infra.fleet.clip import make_clip
from infra.fleet.fleet import Plan, run
from infra.fleet.ledger import Ledger
from infra.fleet.stack_ground import StackGround
from infra.target import Target

pytestmark = pytest.mark.stack


def test_three_devices_on_a_bad_wifi_have_every_frame_answered_and_nobody_is_called_another(
    target: Target, grace: str, settled: Callable[[], None], tmp_path: Path
) -> None:
    clip, ledger = tmp_path / "clip.mp4", Ledger()
    truth = make_clip(clip, {name: portrait(name) for name in (KNOWN, STRANGER)}, fps=1)
    plan = Plan(
        devices=3,
        seconds=10,
        fps=1,
        faults="wifi",
        processes=1,
        clip=clip,
        truth=truth,
        names="fleet-of-tests",
    )
    (tmp_path / "ground").mkdir()

    with StackGround(target, tmp_path / "ground", ledger.heard) as ground:
        outcome = run(plan, ground, ledger, tmp_path, lambda _: None)

    assert outcome.failure is None, outcome.unexplained
    assert outcome.tally.captured == outcome.tally.answered + outcome.tally.dropped
    assert outcome.tally.answered > 10
    named = {face.name for fate in outcome.fates.values() for face in fate.named}
    assert named == {KNOWN}
    things = target.client("iot").list_things()["things"]
    assert not [each for each in things if each["thingName"].startswith("fleet-of-tests")]
    settled()
