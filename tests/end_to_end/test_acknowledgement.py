"""A result counts as delivered once it is where it will not be lost: on the device's own disk."""

import json
import queue
import shutil
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from device.network import identity
from device.network.iot_link import IotLink
from device.network.link import Acknowledge
from device.settings import Settings
from infra.target import Target
from sightline.messages import FrameRecognized, encode
from sightline.topics import topic
from tests.end_to_end.actors import DATA, Agent, Device, eventually

pytestmark = pytest.mark.stack

MakeDevice = Callable[..., Device]
StartAgent = Callable[..., Agent]
Taken = tuple[bytes, Acknowledge]


def get(taken: "queue.Queue[Taken]") -> Taken:
    return taken.get(timeout=20)


def publish(target: Target, thing: str, count: int) -> list[str]:
    """Publish results as the function does; give their frames' ids."""
    data, now = target.client("iot-data"), datetime.now(UTC)
    ids = [str(uuid4()) for _ in range(count)]
    for frame_id in ids:
        result = FrameRecognized(
            frame_id=frame_id,
            device=thing,
            captured_at=now,
            recognized_at=now,
            width=64,
            height=48,
            faces=(),
            engine="none",
            gallery=0,
            repeat=False,
            timings_ms={},
        )
        data.publish(topic=topic(thing, "results"), qos=1, payload=encode(result))
    return ids


def test_what_was_not_acknowledged_comes_again_and_what_was_does_not(
    target: Target, device: MakeDevice
) -> None:
    made = device()
    settings = Settings.load(made.settings)

    def link(taken: "queue.Queue[Taken]") -> IotLink:
        made_link = IotLink(settings.iot, identity.load(settings.iot), made.thing)
        made_link.take(
            topic(made.thing, "results"), lambda _, payload, done: taken.put((payload, done))
        )
        return made_link

    first: queue.Queue[Taken] = queue.Queue()
    with link(first) as connected:
        ids = publish(target, made.thing, 3)
        came = {json.loads(payload)["frame_id"]: done for payload, done in map(get, [first] * 3)}
        came[ids[0]]()  # the other two are taken, and not done with
        connected.publish(topic(made.thing, "status"), b"{}")  # which follows it to the broker
    came[ids[1]]()  # too late, which hurts nobody

    second: queue.Queue[Taken] = queue.Queue()
    with link(second):
        again = {json.loads(get(second)[0])["frame_id"] for _ in range(2)}
        assert again == set(ids[1:])
        (last,) = publish(target, made.thing, 1)
        while json.loads((latest := get(second))[0])["frame_id"] != last:
            latest[1]()
        latest[1]()


def test_an_agent_that_is_killed_again_and_again_logs_each_result_once(
    target: Target, device: MakeDevice, start_agent: StartAgent, tmp_path: Path
) -> None:
    made, pictures, log = device(), tmp_path / "pictures", tmp_path / "results.jsonl"
    pictures.mkdir()
    shutil.copy(DATA / "grace-hopper.jpg", pictures)
    made.configure("hook = []", f'hook = []\nlog = "{log}"')
    made.configure("interval_s = 0.5", "interval_s = 86400")

    def logged() -> list[str]:
        return [json.loads(line)["frame_id"] for line in log.read_text().splitlines()]

    def start() -> Agent:
        agent = start_agent(made, "--camera", str(pictures), "--loop")
        agent.wait_for_lines(1, deadline_s=60)
        return agent

    agent, ids = start(), list[str]()
    for _ in range(3):
        ids += publish(target, made.thing, 15)
        agent.signal(signal.SIGKILL)  # in the midst of them
        agent.wait()
        ids += publish(target, made.thing, 5)  # which the broker keeps for it
        agent = start()

    eventually("line of each result", lambda: set(ids) <= set(logged()))
    found = [each for each in logged() if each in set(ids)]
    assert len(found) == len(set(found)) == len(ids)
