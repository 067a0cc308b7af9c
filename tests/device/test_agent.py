"""The whole agent in one process, with the adapters that ship for that."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from device.agent import Agent
from device.answers.results import Outcome
from device.cameras.camera import Camera, Captured, Pace
from device.cameras.folder_camera import FolderCamera
from device.cameras.opencv_camera import LiveCamera
from device.gate.building import gatekeeper_for
from device.network.frame_store import FolderStore, FrameStore
from device.network.local_link import LocalLink
from device.pulse import Pulses
from device.remote.live_settings import LiveSettings
from device.remote.shadow import Shadow
from device.settings import CameraSettings, FrameSettings, StatusSettings
from device.spooling.disk_frames import Bounds
from device.spooling.disk_spool import DiskSpool
from device.spooling.memory_spool import MemorySpool
from device.spooling.settings import SpoolSettings
from device.spooling.spool import SpooledFrame
from device.watching import RECOGNITION_S
from sightline.errors import CameraError, ConfigError, TransportError
from sightline.messages import Command, DeviceStatus, FrameCaptured, decode, encode
from sightline.topics import topic
from tests.conftest import PROJECT
from tests.device.fakes import (
    ADA,
    DEADLINE_S,
    Cloud,
    EndlessCamera,
    MemoryStore,
    UnreliableLink,
    image,
    key_of,
    recognized,
    settings,
    until,
)
from tests.device.remote.shadows import ShadowService


class Running:
    """An agent in a thread of its own."""

    def __init__(self, agent: Agent) -> None:
        self.agent, self.stop = agent, threading.Event()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.agent.run(self.stop)
        except (ConfigError, CameraError) as err:
            self.error = err

    def join(self) -> None:
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()


def agent_of(
    camera: Camera,
    store: FrameStore,
    link: LocalLink,
    observer: Callable[[Outcome], None] = lambda _: None,
    frames: int | None = None,
    **uplink: float,
) -> Agent:
    return Agent(
        settings(**uplink), camera, MemorySpool(), store, link, observers=[observer], frames=frames
    )


def statuses(link: LocalLink) -> list[DeviceStatus]:
    heard: list[DeviceStatus] = []
    link.subscribe("sightline/v1/+/status", lambda _, p: heard.append(decode(DeviceStatus, p)))
    return heard


def test_every_picture_of_a_folder_is_stored_answered_and_told_of(tmp_path: Path) -> None:
    pictures, stored = tmp_path / "pictures", tmp_path / "stored"
    pictures.mkdir()
    for i in range(5):
        cv2.imwrite(str(pictures / f"{i}.png"), image(40 * i))
    link, outcomes = LocalLink(), list[Outcome]()
    cloud = Cloud(link, ADA)
    agent = agent_of(FolderCamera(pictures), FolderStore(stored), link, outcomes.append)

    agent.run(threading.Event())

    assert len(cloud.references) == len(outcomes) == 5
    for reference in cloud.references:
        back = cv2.imread(str(stored / reference.key))
        assert back is not None
        assert (reference.height, reference.width) == back.shape[:2]
        assert reference.bytes == (stored / reference.key).stat().st_size
    summary = agent.summary()
    assert (summary.captured, summary.uploaded, summary.published, summary.answered) == (5, 5, 5, 5)
    assert (summary.dropped, summary.unanswered, summary.people) == (0, 0, {"Ada Lovelace": 5})
    assert {"encode", "spool", "upload", "publish", "answer", "total"} <= set(summary.stages)


def test_results_that_come_twice_are_counted_once() -> None:
    link = LocalLink()
    Cloud(link, ADA, times=2)
    agent = agent_of(EndlessCamera(), MemoryStore(), link, frames=3)

    agent.run(threading.Event())

    assert (agent.summary().answered, agent.summary().repeated) == (3, 3)


def test_no_frame_is_lost_while_the_network_is_away_for_a_moment() -> None:
    link = UnreliableLink(failures=2)
    Cloud(link)
    store = MemoryStore(TransportError("no network"))
    agent = agent_of(EndlessCamera(), store, link, frames=4)

    agent.run(threading.Event())

    assert (agent.summary().answered, agent.summary().dropped) == (4, 0)
    assert len(store.frames) == 4


def test_capture_goes_on_while_nothing_can_be_sent_and_the_oldest_are_dropped() -> None:
    held = threading.Event()

    class Stuck:
        def put(self, key: str, jpeg: bytes, sha256: str) -> None:
            held.wait(DEADLINE_S)
            raise TransportError("stuck")

    chosen = replace(settings(), spool=SpoolSettings(max_frames=3))
    camera = EndlessCamera()
    agent = Agent(chosen, camera, MemorySpool(max_frames=3), Stuck(), LocalLink())
    running = Running(agent)
    until(lambda: agent.summary().dropped >= 5)
    running.stop.set()
    held.set()
    running.join()

    summary = agent.summary()
    assert summary.captured == summary.dropped + summary.unanswered
    assert running.error is None


def test_a_stop_says_how_many_were_left_unanswered(caplog: pytest.LogCaptureFixture) -> None:
    link = LocalLink()  # with nobody to answer
    heard = statuses(link)
    agent = agent_of(EndlessCamera(), MemoryStore(), link, stop_timeout_s=0.05)
    running = Running(agent)
    until(lambda: agent.summary().published >= 2)
    running.stop.set()
    running.join()

    assert agent.summary().unanswered >= 2
    assert "left unanswered" in caplog.text
    assert (heard[-1].state, heard[-1].detail) == ("offline", "stopped")
    assert heard[-1].counters is not None
    assert heard[-1].counters.published >= 2


def test_what_is_in_flight_when_told_to_stop_is_waited_for() -> None:
    link, references = LocalLink(), list[FrameCaptured]()
    link.subscribe(
        "sightline/v1/+/frames", lambda _, p: references.append(decode(FrameCaptured, p))
    )
    agent = agent_of(EndlessCamera(), MemoryStore(), link, stop_timeout_s=DEADLINE_S, frames=1)
    running = Running(agent)
    until(lambda: agent.summary().published == 1)
    running.stop.set()
    answer = recognized(references[0].frame_id, ADA)
    link.publish(topic("front-door", "results"), encode(answer))
    running.join()

    assert (agent.summary().answered, agent.summary().unanswered) == (1, 0)


def test_frames_answered_before_the_camera_fails_are_told_of() -> None:
    link = LocalLink()
    Cloud(link, ADA)
    camera = EndlessCamera(fail_after=2, error=CameraError("camera source usb:0: gone"))
    agent = agent_of(camera, MemoryStore(), link, stop_timeout_s=DEADLINE_S)

    with pytest.raises(CameraError, match="usb:0: gone"):
        agent.run(threading.Event())

    assert agent.summary().answered == 2
    assert not camera.is_open


def test_a_stop_while_a_camera_on_the_network_is_opening_is_no_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/1"
        camera = LiveCamera(address, width=64, height=48, timeout_s=0.5)
        link = LocalLink()
        heard = statuses(link)
        agent = agent_of(camera, MemoryStore(), link, stop_timeout_s=DEADLINE_S)
        running = Running(agent)
        connection, _ = silent.accept()  # so that it is being opened
        with connection:
            running.stop.set()
            running.join()

    assert running.error is None
    assert (heard[-1].state, heard[-1].detail) == ("offline", "stopped")


def test_a_stop_waits_no_longer_than_told_for_a_camera_that_does_not_come_back() -> None:
    entered, release = threading.Event(), threading.Event()

    class Opening(EndlessCamera):
        def __enter__(self) -> "Opening":
            entered.set()
            release.wait()
            raise CameraError("it gives no video")

    running = Running(agent_of(Opening(), MemoryStore(), LocalLink(), stop_timeout_s=0.05))
    assert entered.wait(DEADLINE_S)
    running.stop.set()
    running.join()
    release.set()

    assert running.error is None


def test_frames_that_nobody_answers_are_left_for_the_next_start_and_counted() -> None:
    store = MemoryStore()
    agent = agent_of(
        EndlessCamera(), store, LocalLink(), frames=2, answer_timeout_s=0.1, attempts=1
    )

    agent.run(threading.Event())

    summary = agent.summary()
    assert summary.unanswered == summary.captured == 2
    assert (summary.overdue >= 2, summary.dropped) == (True, 0)


class StuckSpool(MemorySpool):
    """A card that takes no frame until it is let on."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.let_on = threading.Event(), threading.Event()

    def put(self, frame: SpooledFrame) -> tuple[str, ...]:
        self.entered.set()
        assert self.let_on.wait(DEADLINE_S)
        return super().put(frame)


def test_a_card_that_is_stuck_holds_up_no_live_camera_and_what_that_skips_is_counted() -> None:
    link, camera, spool = LocalLink(), EndlessCamera(), StuckSpool()
    cloud, heard = Cloud(link), statuses(link)
    chosen = replace(settings(), camera=CameraSettings(source="usb:0"))
    agent = Agent(chosen, camera, spool, MemoryStore(), link)
    running = Running(agent)
    assert spool.entered.wait(DEADLINE_S)
    taken = camera.taken
    until(lambda: camera.taken >= taken + 10)  # it is not recorded, and goes on all the same
    until(lambda: agent.summary().skipped >= 8)
    assert agent.summary().answered == 0
    spool.let_on.set()
    until(lambda: len(cloud.references) >= 5)
    running.stop.set()
    running.join()

    assert heard[-1].counters is not None
    assert heard[-1].counters.skipped == agent.summary().skipped


def test_of_a_clip_or_a_folder_each_frame_counts_and_waits_for_a_slow_card(tmp_path: Path) -> None:
    for i in range(5):
        cv2.imwrite(str(tmp_path / f"{i}.png"), image(40 * i))
    link, spool = LocalLink(), StuckSpool()
    Cloud(link)
    chosen = replace(settings(), camera=CameraSettings(source=str(tmp_path)))
    agent = Agent(chosen, FolderCamera(tmp_path), spool, MemoryStore(), link)
    running = Running(agent)
    assert spool.entered.wait(DEADLINE_S)
    spool.let_on.set()
    running.join()

    assert (agent.summary().answered, agent.summary().skipped) == (5, 0)


def test_a_card_that_is_stuck_for_long_is_told_to_systemd() -> None:
    pulses, spool = Pulses(clock=lambda: now[0]), StuckSpool()
    now = [0.0]
    chosen = replace(settings(), camera=CameraSettings(source="usb:0"))
    agent = Agent(chosen, EndlessCamera(), spool, MemoryStore(), LocalLink(), pulses=pulses)
    running = Running(agent)
    assert spool.entered.wait(DEADLINE_S)
    now[0] = RECOGNITION_S + 1
    until(lambda: [*pulses.silent()] == ["recognition"])  # the camera goes on
    spool.let_on.set()
    until(lambda: pulses.silent() == {})
    running.stop.set()
    running.join()


def test_a_pause_is_told_of_plainly(caplog: pytest.LogCaptureFixture) -> None:
    link = LocalLink()
    # Retained, so that it comes as the agent begins.
    link.publish(topic("front-door", "commands"), encode(Command(command="pause")), retain=True)
    running = Running(agent_of(EndlessCamera(), MemoryStore(), link))
    until(lambda: "paused by a command; send resume to go on" in caplog.text)
    running.stop.set()
    running.join()

    (record,) = [each for each in caplog.records if "paused by" in each.message]
    assert record.levelname == "WARNING"
    assert running.agent.summary().captured == 0


def test_a_bug_in_a_thread_is_not_swallowed() -> None:
    camera = EndlessCamera(fail_after=0, error=ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        agent_of(camera, MemoryStore(), LocalLink()).run(threading.Event())


def test_finish_ends_the_capture_and_waits_for_the_answers() -> None:
    link = LocalLink()
    Cloud(link)
    agent = agent_of(EndlessCamera(), MemoryStore(), link)
    running = Running(agent)
    until(lambda: agent.summary().answered >= 1)
    agent.finish()
    running.join()

    summary = agent.summary()
    assert summary.captured == summary.answered


def test_it_says_that_it_is_online_and_how_it_is_doing() -> None:
    link = LocalLink()
    Cloud(link)
    heard = statuses(link)
    chosen = replace(settings(), status=StatusSettings(every_s=1))
    agent = Agent(chosen, EndlessCamera(), MemorySpool(), MemoryStore(), link)
    running = Running(agent)
    until(lambda: len(heard) >= 1)
    assert (heard[0].state, heard[0].device, heard[0].paused) == ("online", "front-door", False)
    running.stop.set()
    running.join()
    late: list[DeviceStatus] = statuses(link)
    assert [each.state for each in late] == ["offline"]  # retained


def test_it_obeys_commands_and_tells_its_status() -> None:
    link = LocalLink()
    Cloud(link)
    heard = statuses(link)
    agent = agent_of(EndlessCamera(), MemoryStore(), link)
    running = Running(agent)

    def order(command: Command) -> None:
        link.publish(topic("front-door", "commands"), encode(command))

    order(Command(command="pause"))
    until(lambda: bool(heard and heard[-1].paused))
    paused_at = agent.summary().captured
    order(Command(command="resume", expires_at=datetime(2000, 1, 1, tzinfo=UTC)))
    order(Command(command="capture"))
    until(lambda: agent.summary().captured > paused_at)
    order(Command(command="identify-yourself"))
    link.publish(topic("front-door", "commands"), b'{"command": "explode"}')
    assert heard[-1].paused
    order(Command(command="resume", command_id="7"))
    until(lambda: heard[-1].paused is False)
    until(lambda: "7" in {each.command_id for each in heard[-1].commands or ()})
    running.stop.set()
    running.join()
    assert running.error is None
    answered = [(each.command, each.outcome) for each in heard[-1].commands or ()]
    assert answered[:2] == [("pause", "done"), ("resume", "expired")]
    assert {("capture", "done"), ("identify-yourself", "done"), ("", "refused")} < {*answered}
    assert answered[-1] == ("resume", "done")


def test_frames_of_an_earlier_process_are_sent_and_counted_apart(tmp_path: Path) -> None:
    bounds = Bounds(max_frames=100, max_bytes=10**8, max_age_s=3600)
    camera, link = EndlessCamera(), LocalLink()
    with DiskSpool(tmp_path, key_of, bounds, MemorySpool()) as spool:
        before = Agent(settings(), camera, spool, MemoryStore(), link, frames=3)
        running = Running(before)
        until(lambda: before.summary().published == 3)
        running.stop.set()
        running.join()
        assert before.summary().unanswered == 3

    cloud = Cloud(link, ADA)
    with DiskSpool(tmp_path, key_of, bounds, MemorySpool()) as spool:
        agent = Agent(settings(), camera, spool, MemoryStore(), link, frames=2)
        agent.run(threading.Event())

    summary = agent.summary()
    assert (summary.captured, summary.resumed, summary.answered) == (2, 3, 5)
    assert (summary.unanswered, summary.uploaded, len(cloud.references)) == (0, 2, 5)
    assert summary.stages["total"].count == summary.stages["spool"].count == 2


def test_what_a_process_dropped_before_it_was_killed_the_next_one_tells(tmp_path: Path) -> None:
    bounds = Bounds(max_frames=2, max_bytes=10**8, max_age_s=1e8)
    killed = """
import os, signal, sys
from pathlib import Path
from device.spooling.disk_frames import Bounds
from device.spooling.disk_spool import DiskSpool
from device.spooling.memory_spool import MemorySpool
from tests.device.fakes import key_of
from tests.device.spooling.spools import real
bounds = Bounds(max_frames=2, max_bytes=10**8, max_age_s=1e8)
spool = DiskSpool(Path(sys.argv[1]), key_of, bounds, MemorySpool())
for second in range(5):
    spool.put(real(second))
os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [sys.executable, "-c", killed, tmp_path], check=False, timeout=60, env=environment
    )
    assert done.returncode == -signal.SIGKILL
    link = LocalLink()
    Cloud(link)
    heard = statuses(link)
    with DiskSpool(tmp_path, key_of, bounds, MemorySpool()) as spool:
        agent = Agent(settings(), EndlessCamera(), spool, MemoryStore(), link, frames=1)
        agent.run(threading.Event())

    assert heard[0].counters is not None
    assert heard[0].counters.dropped == 3
    assert agent.summary().dropped == 0  # of its own


def test_a_disk_in_trouble_is_told_of_in_the_status(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("in the way")
    bounds = Bounds(max_frames=100, max_bytes=10**8, max_age_s=1e8)
    link = LocalLink()
    Cloud(link)
    heard = statuses(link)
    with DiskSpool(tmp_path / "spool", key_of, bounds, MemorySpool()) as spool:
        agent = Agent(settings(), EndlessCamera(), spool, MemoryStore(), link)
        running = Running(agent)
        until(lambda: agent.summary().answered > 0 and len(heard) > 0)
        running.stop.set()
        running.join()

    online = [each for each in heard if each.state == "online"]
    assert "frames are kept in memory" in (online[-1].detail or "")


def test_settings_from_the_shadow_change_what_it_does_while_it_runs() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8)

    class Noisy(EndlessCamera):
        def capture(self, pace: Pace) -> Captured | None:
            captured = super().capture(pace)
            return captured and replace(captured, image=noise)

    link, sizes = LocalLink(), list[int]()
    Cloud(link)
    service = ShadowService(link)
    chosen = replace(settings(), frames=FrameSettings(interval_s=3600))
    live = LiveSettings(chosen)
    agent = Agent(
        chosen,
        Noisy(),
        MemorySpool(),
        MemoryStore(),
        link,
        shadow=Shadow("front-door", live),
    )
    agent.follow(live, gatekeeper_for)
    link.subscribe(
        "sightline/v1/+/frames",
        lambda _, p: sizes.append(decode(FrameCaptured, p).bytes or 0),
    )
    running = Running(agent)
    until(lambda: len(sizes) == 1)
    service.desire({"frames": {"interval_s": 0.02, "jpeg_quality": 1}, "status": {"every_s": 1}})
    until(lambda: len(sizes) >= 5)
    assert sizes[-1] < sizes[0]
    service.desire({"gate": {"mode": "motion", "look_s": 0.02}})  # and nothing moves
    until(lambda: agent.summary().gated >= 5)
    service.desire({"gate": {"look_s": 0.5, "faces": {"share": 2}}})
    until(lambda: "errors" in service.reported)
    running.stop.set()
    running.join()

    assert running.error is None
    assert service.reported["gate"]["look_s"] == 0.5
    assert [*service.reported["errors"]] == ["gate.faces.share"]
