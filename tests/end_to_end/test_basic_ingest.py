"""A stack with Basic Ingest switched on: frames go past the broker, and results come as ever."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from device.settings import Settings
from infra.local.stack import LocalSettings, LocalStack
from infra.operating.operator_client import OperatorClient
from infra.provision import provision
from infra.provisioning.operators import broker_of
from infra.target import Target
from sightline.errors import TransportError
from sightline.topics import through, topic
from tests.end_to_end.actors import DATA, Agent, Device
from tests.end_to_end.test_policies import connected

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def target(
    stack_settings: LocalSettings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    state = tmp_path_factory.mktemp("basic ingest")
    settings = replace(stack_settings, state=state, workers=1, parameters={"BasicIngest": "true"})
    with LocalStack(settings):
        yield Target.local(state)


def made(thing: str, target: Target, folder: Path) -> Device:
    done = provision(thing, target=target, folder=folder / thing, say=lambda _: None)
    return Device(thing=thing, folder=done.folder, settings=done.settings)


def test_a_camera_is_answered_and_nobody_sees_its_frames(target: Target, tmp_path: Path) -> None:
    device = made("front", target, tmp_path)
    assert Settings.load(device.settings).iot.frames_rule == target.output("FramesRule")
    with OperatorClient(broker_of(target, tmp_path / "operator", lambda _: None)) as client:
        client.subscribe(["sightline/v1/#"])
        agent = Agent(device, "--camera", DATA)
        try:
            (line, *_) = agent.wait_for_lines(1)
        finally:
            agent.close()
        heard = {message.topic for message in client.messages(seconds=1)}

    assert line
    assert topic("front", "results") in heard
    assert topic("front", "frames") not in heard


def test_a_device_reaches_the_rule_under_its_own_name_only(target: Target, tmp_path: Path) -> None:
    left, rule = made("left", target, tmp_path), target.output("FramesRule")
    with connected(left) as link:
        link.publish(through(rule, topic("left", "frames")), b"{}")
        for name in (
            through(rule, topic("front", "frames")),
            through(rule, topic("left", "results")),
            through(f"{rule}2", topic("left", "frames")),
            through(rule, "anything"),
        ):
            with pytest.raises(TransportError, match="not authorized"):
                link.publish(name, b"{}")
