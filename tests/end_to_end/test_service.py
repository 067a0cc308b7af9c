"""The agent as systemd runs it, with a socket of our own in systemd's place."""

import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.actors import DATA, Agent, Device

pytestmark = pytest.mark.stack


def test_it_says_that_it_is_ready_how_it_is_doing_and_that_it_stops(
    device: Callable[..., Device],
    start_agent: Callable[..., Agent],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, pictures = device(), tmp_path / "pictures"
    pictures.mkdir()
    shutil.copy(DATA / "grace-hopper.jpg", pictures)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(60)
        for name, value in {
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "WATCHDOG_USEC": "600000",
            "JOURNAL_STREAM": "8:1",
            "STATE_DIRECTORY": str(tmp_path / "state"),
        }.items():
            monkeypatch.setenv(name, value)
        agent = start_agent(made, "--camera", str(pictures), "--loop")

        def hear(wanted: str) -> list[str]:
            while wanted not in (heard := systemd.recv(4096).decode()):
                assert "stuck" not in heard
            return heard.splitlines()

        assert hear("READY=1") == ["READY=1"]
        assert hear("answered")[0] == "WATCHDOG=1"
        agent.signal(signal.SIGTERM)
        hear("STOPPING=1")
        assert agent.wait() == 0

    assert f"<6>watching {pictures} as {made.thing}" in agent.log
    assert (tmp_path / "state" / "spool").is_dir()
