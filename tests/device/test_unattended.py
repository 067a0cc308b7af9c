"""The program where the cloud refuses it: run by systemd it goes on, at a terminal it ends."""

import dataclasses
import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.__main__ import run
from device.arguments import read
from device.network.iot_link import IotLink
from device.pulse import Pulses
from device.settings import CameraSettings, FrameSettings, Settings, StorageSettings
from device.spooling.settings import SpoolSettings
from device.watchdog import Systemd, Watchdog
from sightline.errors import ConfigError
from tests.device.authority import DAY, Authority, answer, settings_of, tls_server
from tests.device.fakes import DEADLINE_S, settings, write_clip

REFUSAL = json.dumps({"message": "Access Denied"}).encode()


@pytest.fixture
def refused(tmp_path: Path) -> Iterator[Settings]:
    """A device whose certificate gives no credentials, and whose broker is not whom it trusts."""
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    device = ours.issue("device")
    write_clip(tmp_path / "clip.mp4", 20)
    provider = ours.issue("provider", address="127.0.0.1")
    broker = theirs.issue("broker", address="127.0.0.1")
    with (
        tls_server(provider, ours.ca, answer(403, REFUSAL)) as credentials,
        tls_server(broker, ours.ca) as mqtt,
    ):
        yield dataclasses.replace(
            settings(),
            iot=settings_of(device, port=mqtt),
            storage=StorageSettings(
                region="us-east-1",
                bucket="media",
                credentials_endpoint=f"127.0.0.1:{credentials}",
                role_alias="sightline-device",
            ),
            camera=CameraSettings(source=str(tmp_path / "clip.mp4"), loop=True),
            frames=FrameSettings(interval_s=0.05),
            spool=SpoolSettings(folder=tmp_path / "spool"),
        )


def run_by_systemd(device: Settings, tmp_path: Path, *, until: str) -> str:
    """Run the program as its service until its status matches *until*; give that."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(DEADLINE_S)
        stop = threading.Event()
        systemd = Systemd({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "60000"})
        with Watchdog(systemd, Pulses()) as watchdog:
            arguments = read([], None)
            thread = threading.Thread(target=run, args=(device, arguments, stop, watchdog))
            thread.start()
            said = ""
            while not re.search(until, said):  # by the next word they all are tried
                assert thread.is_alive(), f"it has ended; it last said {said!r}"
                said = listener.recv(4096).decode()
            stop.set()
            thread.join(3 * DEADLINE_S)
            assert not thread.is_alive()
    return said


def test_run_by_systemd_it_goes_on_taking_frames_and_says_what_is_refused(
    refused: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said = run_by_systemd(refused, tmp_path, until="frames are not stored")

    assert "not from the authority in" in said  # the link's own trouble
    assert "gives thing front-door no credentials" in said
    assert "is its certificate active (not revoked)" in said
    captured = len(list((tmp_path / "spool" / "frames").iterdir()))
    assert captured > 0
    assert f"{captured} frames were left unanswered" in caplog.text
    warned = [each.message for each in caplog.records if each.levelname == "WARNING"]
    assert len([each for each in warned if "not from the authority in" in each]) == 1


def test_run_by_systemd_it_goes_on_without_a_log_that_cannot_be_written(
    refused: Settings, tmp_path: Path
) -> None:
    wanted = dataclasses.replace(refused.results, log=tmp_path / "clip.mp4" / "results.jsonl")
    changed = dataclasses.replace(refused, results=wanted)

    assert run_by_systemd(changed, tmp_path, until="results are not logged: ")
    with (
        Watchdog(Systemd({}), Pulses()) as watchdog,
        pytest.raises(ConfigError, match=r"\[results\] log .*: cannot be written"),
    ):
        run(changed, read([], None), threading.Event(), watchdog)


@pytest.fixture
def expired(refused: Settings, tmp_path: Path) -> Settings:
    """The same with a certificate that has expired, by this clock."""
    device = Authority(tmp_path, "another").issue("expired", valid=-DAY)
    return dataclasses.replace(refused, iot=settings_of(device, port=refused.iot.port))


def test_run_by_systemd_it_takes_frames_with_a_certificate_that_seems_to_have_expired(
    expired: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said = run_by_systemd(expired, tmp_path, until=r"[1-9]\d* waiting; .*certificate expired on")

    assert "by this clock, which shows" in said
    assert list((tmp_path / "spool" / "frames").iterdir()) != []
    warned = [each.message for each in caplog.records if each.levelname == "WARNING"]
    assert len([each for each in warned if "it expired on" in each]) == 1


def test_at_a_terminal_an_expired_certificate_ends_it(expired: Settings) -> None:
    with (
        Watchdog(Systemd({}), Pulses()) as watchdog,
        pytest.raises(ConfigError, match=r"it expired on .*; provision the device anew"),
    ):
        run(expired, read([], None), threading.Event(), watchdog)


def test_at_a_terminal_it_ends_with_what_is_to_be_mended(refused: Settings) -> None:
    with (
        Watchdog(Systemd({}), Pulses()) as watchdog,
        pytest.raises(ConfigError, match="gives thing front-door no credentials"),
    ):
        run(refused, read([], None), threading.Event(), watchdog)


def test_a_broker_that_is_refused_ends_a_link_only_where_somebody_sees_it(
    refused: Settings,
) -> None:
    from device.network import identity

    who = identity.load(refused.iot)
    with (
        pytest.raises(ConfigError, match="not from the authority in"),
        IotLink(refused.iot, who, "front-door"),
    ):
        raise AssertionError("it went on")
    with IotLink(refused.iot, who, "front-door", unattended=True) as link:
        assert "not from the authority in" in (link.trouble() or "")
