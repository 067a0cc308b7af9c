"""A small fleet on mosquitto, whole: certificates, processes, faults, books, picture."""

import json
from pathlib import Path

import pytest

from infra.fleet import report
from infra.fleet.fleet import Ground, Plan, run
from infra.fleet.ledger import Ledger
from infra.fleet.mosquitto import program
from infra.fleet.show import Wish, play
from infra.fleet.timeline import WIDTH, timeline
from sightline.errors import ConfigError, TransportError


@pytest.fixture(autouse=True)
def _broker() -> None:
    try:
        program()
    except ConfigError as err:
        pytest.skip(str(err))


@pytest.mark.parametrize("gate", ["off", "motion"])
def test_three_devices_on_a_bad_wifi_have_every_frame_answered(gate: str, tmp_path: Path) -> None:
    wish = Wish(
        devices=3,
        seconds=8,
        faults="wifi",
        fps=2,
        processes=2,
        workers=1,
        light=True,
        seed=3,
        gate=gate,
    )
    said: list[str] = []

    played = play(wish, tmp_path, said.append)

    outcome = played.outcome
    assert outcome.failure is None, outcome.unexplained
    # How many frames there are is the machine's to say; that there are some, `failure` has said.
    assert outcome.tally.captured == outcome.tally.answered
    weather = {each.name for history in outcome.weather.values() for _, each in history}
    assert weather - {"calm", "wifi"}  # there were faults
    assert outcome.agents_bytes > 0
    assert played.recogniser.startswith("none")
    assert list((tmp_path / "ground").glob("fleet-*")) == []  # the certificates are gone
    assert timeline(outcome).width == WIDTH
    assert dict(report.rows(outcome))["unexplained"] == "0"
    report.write_json(tmp_path / "fleet.json", outcome, recogniser=played.recogniser)
    written = json.loads((tmp_path / "fleet.json").read_text())
    assert len(written["frames"]) == outcome.tally.captured
    assert written["unexplained"] == []


class Brittle:
    """Gives one certificate, and then no more."""

    def __init__(self) -> None:
        self.upstreams: dict[str, tuple[str, int]] = {}
        self.made: list[str] = []
        self.removed: list[str] = []

    def provision(self, thing: str) -> Path:
        if self.made:
            raise TransportError("out of reach")
        self.made.append(thing)
        return Path("device.toml")

    def deprovision(self, thing: str) -> None:
        self.removed.append(thing)


def test_what_was_provisioned_is_taken_back_when_the_rest_cannot_be(tmp_path: Path) -> None:
    plan = Plan(
        devices=3,
        seconds=1,
        fps=1,
        faults="none",
        processes=1,
        clip=tmp_path / "clip.mp4",
        truth=(),
    )
    ground: Brittle = Brittle()
    checked: Ground = ground
    with pytest.raises(TransportError, match="out of reach"):
        run(plan, checked, Ledger(), tmp_path, lambda _: None)
    assert ground.removed == ["fleet-001", "fleet-002"]  # the second may have been made by half
