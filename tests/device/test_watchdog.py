"""What systemd is told, by a socket of our own in its place."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.agent import Agent
from device.cameras.camera import Captured, Pace
from device.network.local_link import LocalLink
from device.pulse import Pulses
from device.spooling.memory_spool import MemorySpool
from device.watchdog import Systemd, Watchdog
from device.watching import CAPTURE_S
from tests.device.fakes import DEADLINE_S, EndlessCamera, MemoryStore, settings, until


class Listener:
    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.settimeout(DEADLINE_S)

    def hear(self) -> list[str]:
        return self._socket.recv(4096).decode().splitlines()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Listener, Systemd]]:
    abstract = f"@sightline-test-{os.getpid()}"
    address = str(tmp_path / "notify") if request.param == "path" else abstract
    listener = Listener(address)
    yield listener, Systemd({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000"})
    listener.close()


def test_a_service_says_that_it_is_ready_that_it_lives_and_that_it_stops(
    systemd: tuple[Listener, Systemd],
) -> None:
    listener, told = systemd
    with Watchdog(told, Pulses()) as watchdog:
        assert listener.hear() == ["READY=1"]
        assert listener.hear() == ["WATCHDOG=1", "STATUS=starting"]
        watchdog.describe(lambda: "watching\nthe door")
        while (heard := listener.hear()) != ["WATCHDOG=1", "STATUS=watching the door"]:
            assert heard[0] == "WATCHDOG=1"
    while (heard := listener.hear()) != ["STOPPING=1"]:
        assert heard[0] == "WATCHDOG=1"


def test_it_does_not_say_that_it_lives_while_a_thread_is_stuck(
    systemd: tuple[Listener, Systemd], caplog: pytest.LogCaptureFixture
) -> None:
    listener, told = systemd
    now = [0.0]
    pulses = Pulses(clock=lambda: now[0])
    capture, link = pulses.of("capture", within_s=10), pulses.of("link", within_s=100)
    watchdog = Watchdog(told, pulses)
    capture.beat()
    link.beat()
    now[0] = 11.0
    watchdog.step()
    watchdog.step()
    assert [listener.hear() for _ in range(2)] == [["STATUS=stuck: capture"]] * 2
    capture.beat()
    watchdog.step()
    assert listener.hear()[0] == "WATCHDOG=1"

    assert caplog.text.count("capture has made no progress for 11 s") == 1


def test_a_pulse_counts_from_its_first_beat_to_its_end_and_may_rest_as_long_as_it_says() -> None:
    now = [0.0]
    pulses = Pulses(clock=lambda: now[0])
    pulse = pulses.of("capture", within_s=10)
    now[0] = 1000.0
    assert pulses.silent() == {}
    pulse.beat(3600.0)
    now[0] += 3605.0
    assert pulses.silent() == {}
    now[0] += 10.0
    assert pulses.silent() == {"capture": 3615.0}
    pulse.end()
    assert pulses.silent() == {}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NOTIFY_SOCKET": ""},
        {"NOTIFY_SOCKET": "/no/such/socket"},
        {"NOTIFY_SOCKET": "x" * 300},
        {"WATCHDOG_USEC": "often"},
        {"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "1"},
    ],
)
def test_outside_of_a_service_nothing_happens(environment: dict[str, str]) -> None:
    told = Systemd(environment)
    told.notify("READY=1")

    assert told.watchdog_s is None
    with Watchdog(told, Pulses()):
        pass


def test_systemds_own_time_is_read_for_this_process_alone() -> None:
    assert Systemd({"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": str(os.getpid())}).watchdog_s == 5.0


def test_an_agent_whose_camera_never_returns_is_silent_and_one_that_waits_is_not() -> None:
    now = [0.0]
    release = threading.Event()

    class Stuck(EndlessCamera):
        def capture(self, pace: Pace) -> Captured | None:
            if self.taken == 3:
                release.wait(DEADLINE_S)  # as a driver may
                return None
            return super().capture(pace)

    pulses = Pulses(clock=lambda: now[0])
    camera, stop = Stuck(), threading.Event()
    chosen = settings()
    agent = Agent(chosen, camera, MemorySpool(), MemoryStore(), LocalLink(), pulses=pulses)
    thread = threading.Thread(target=agent.run, args=(stop,), daemon=True)
    thread.start()
    until(lambda: camera.taken == 3)
    assert pulses.silent() == {}
    now[0] += CAPTURE_S + 2 * chosen.camera.timeout_s + 1
    until(lambda: [*pulses.silent()] == ["capture"])  # the uplinks are not stuck
    stop.set()
    release.set()
    thread.join(DEADLINE_S)

    assert pulses.silent() == {}
