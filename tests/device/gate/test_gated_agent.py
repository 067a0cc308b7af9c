"""The gate in the agent: what passes it not is neither encoded nor kept."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from device.agent import Agent
from device.cameras.camera import Captured, Image, Pace
from device.gate.gate import Gate
from device.gate.gatekeeper import Gatekeeper
from device.gate.settings import GateSettings
from device.network.local_link import LocalLink
from device.spooling.disk_frames import Bounds
from device.spooling.disk_spool import DiskSpool
from device.spooling.memory_spool import MemorySpool
from sightline.messages import Command, DeviceStatus, decode, encode
from sightline.topics import topic
from tests.device.fakes import (
    DEADLINE_S,
    Cloud,
    EndlessCamera,
    MemoryStore,
    key_of,
    settings,
    until,
)
from tests.device.gate.scenery import Room


class Film:
    """A camera that gives what was filmed, and then has come to its end."""

    def __init__(self, images: list[Image]) -> None:
        self._images = iter(images)
        self._taken = 0

    def __enter__(self) -> "Film":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def capture(self, pace: Pace) -> Captured | None:
        image = next(self._images, None)
        if image is None:
            return None
        self._taken += 1  # a frame each tenth of a second, however fast they are played
        return Captured(
            image=image,
            captured_at=datetime.now(UTC),
            captured_s=time.monotonic() + self._taken / 10,
        )


def gated(camera: Film | EndlessCamera, link: LocalLink, store: MemoryStore) -> Agent:
    chosen = replace(settings(), gate=GateSettings(look_s=0.02))
    keeper = Gatekeeper(Gate(chosen.gate), interval_s=0.5, burst_s=0.3)
    return Agent(chosen, camera, MemorySpool(), store, link, gatekeeper=keeper)


def test_only_what_passes_is_stored_and_its_reference_says_what_was_seen() -> None:
    room, link, store = Room(), LocalLink(), MemoryStore()
    cloud = Cloud(link)
    images = [each.image for each in [*room.empty(0, 10), *room.walking(10, 3)]]
    agent = gated(Film(images), link, store)
    agent.run(threading.Event())

    summary = agent.summary()
    assert summary.captured == len(store.frames) == len(cloud.references)
    assert 5 <= summary.captured <= 8
    assert summary.gated == 130 - summary.captured
    shares = [each.gate.motion for each in cloud.references if each.gate]
    assert len(shares) == summary.captured
    assert sum((share or 0) > 0.05 for share in shares) >= summary.captured - 1


def test_what_does_not_pass_never_touches_the_disk(tmp_path: Path) -> None:
    room, link, store, chosen = Room(), LocalLink(), MemoryStore(), settings()
    Cloud(link)
    first, *images = [each.image for each in room.empty(0, 20)]
    gate = Gate(chosen.gate)
    assert gate.see(first, time.monotonic()).passed  # a camera's first frame always does
    bounds = Bounds(max_frames=1000, max_bytes=10**9, max_age_s=3600)
    with DiskSpool(tmp_path / "spool", key_of, bounds, MemorySpool()) as spool:
        keeper = Gatekeeper(gate, interval_s=0.5, burst_s=0.3)
        agent = Agent(chosen, Film(images), spool, store, link, gatekeeper=keeper)
        before, written = contents(tmp_path), written_bytes()
        agent.run(threading.Event())
        assert contents(tmp_path) == before
        written = written_bytes() - written

    assert (agent.summary().gated, agent.summary().captured) == (len(images), 0)
    assert written < 16_384  # of the tests' own: less than one of 199 frames


def contents(folder: Path) -> dict[Path, bytes]:
    """Read all files but the one that SQLite's readers share."""
    files = (each for each in folder.rglob("*") if each.is_file())
    return {each: each.read_bytes() for each in files if not each.name.endswith("-shm")}


def written_bytes() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(each.split()[1] for each in lines if each.startswith("write_bytes")))


def test_a_frame_that_is_asked_for_passes_and_status_counts_the_others() -> None:
    link, store = LocalLink(), MemoryStore()
    cloud, heard = Cloud(link), list[DeviceStatus]()
    link.subscribe("sightline/v1/+/status", lambda _, p: heard.append(decode(DeviceStatus, p)))
    agent = gated(EndlessCamera(), link, store)
    stop = threading.Event()
    thread = threading.Thread(target=agent.run, args=(stop,), daemon=True)
    thread.start()
    until(lambda: agent.summary().gated >= 5 and len(cloud.references) == 1)  # the first
    link.publish(topic("front-door", "commands"), encode(Command(command="capture")))
    until(lambda: len(cloud.references) == 2)
    stop.set()
    thread.join(DEADLINE_S)

    assert not thread.is_alive()
    counters = heard[-1].counters
    assert counters is not None
    assert (counters.gated or 0) >= 5
    assert counters.captured == 2


def test_without_a_gate_status_counts_nothing_as_gated() -> None:
    link, heard = LocalLink(), list[DeviceStatus]()
    Cloud(link)
    link.subscribe("sightline/v1/+/status", lambda _, p: heard.append(decode(DeviceStatus, p)))
    agent = Agent(settings(), EndlessCamera(), MemorySpool(), MemoryStore(), link, frames=1)
    agent.run(threading.Event())

    assert heard[-1].counters is not None
    assert heard[-1].counters.gated is None


def test_a_limit_of_frames_counts_those_that_are_sent() -> None:
    room, link, store = Room(), LocalLink(), MemoryStore()
    Cloud(link)
    images = [each.image for each in [*room.empty(0, 10), *room.walking(10, 5)]]
    chosen = settings()
    keeper = Gatekeeper(Gate(chosen.gate), interval_s=0.5, burst_s=0)
    agent = Agent(chosen, Film(images), MemorySpool(), store, link, gatekeeper=keeper, frames=3)
    agent.run(threading.Event())

    assert agent.summary().captured == 3
