"""The command itself, as far as it goes without a broker."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.__main__ import camera_of, exit_status, main
from device.cameras.clip_camera import ClipCamera
from device.cameras.folder_camera import FolderCamera
from device.cameras.opencv_camera import LiveCamera
from device.cameras.pi_camera import PiCamera
from device.journal import Event, Journal
from device.settings import CameraSettings
from tests.device.authority import Authority
from tests.device.test_settings import WHOLE


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    device = Authority(tmp_path, "ca").issue("certificate")
    path = tmp_path / "device.toml"
    path.write_text(WHOLE.replace("/secret/private.key", str(device.private_key)))
    return path


def test_a_missing_configuration_is_one_line_and_exit_status_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["--config", str(tmp_path / "none.toml")]) == 2

    err = capsys.readouterr().err
    assert err.startswith("device: ")
    assert err.count("\n") == 1


def test_a_key_that_others_can_read_is_refused_before_anything_starts(
    capsys: pytest.CaptureFixture[str], config: Path
) -> None:
    (config.parent / "certificate.key").chmod(0o644)

    assert main(["--config", str(config)]) == 2
    assert "chmod 600" in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_told_before_anything_starts(
    capsys: pytest.CaptureFixture[str], config: Path
) -> None:
    assert main(["--config", str(config), "--report", "/no/such/folder/x"]) == 2
    assert "--report /no/such/folder/x" in capsys.readouterr().err


def test_a_hook_that_is_no_program_is_told_before_anything_starts(
    capsys: pytest.CaptureFixture[str], config: Path
) -> None:
    config.write_text(config.read_text().replace('"/bin/cat"', '"/no/such/hook"'))

    assert main(["--config", str(config)]) == 2
    assert "/no/such/hook" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [["--frames", "0"], ["--seconds", "-1"], ["--seconds", "nan"], ["--no"]]
)
def test_wrong_arguments_are_exit_status_2(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(wrong)
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (["--frames", "abc"], "expected a whole number of 1 or more, got 'abc'"),
        (["--frames", "1.5"], "expected a whole number of 1 or more, got '1.5'"),
        (["--frames", "0"], "expected a whole number of 1 or more, got '0'"),
        (["--seconds", "abc"], "expected a number of seconds over 0, got 'abc'"),
        (["--seconds", "-1"], "expected a number of seconds over 0, got '-1'"),
    ],
)
def test_a_wrong_number_is_told_what_was_expected(
    wrong: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(wrong)
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("event", "at_the_end"),
    [("answered", 0), ("rejected", 0), ("dropped", 0), ("overdue", 0), ("unanswered", 1)],
)
def test_a_clip_not_all_answered_is_exit_status_1_but_a_stop_is_0(
    event: Event, at_the_end: int
) -> None:
    journal = Journal()
    journal.count(event)

    assert exit_status(journal.summary(), stopped=False) == at_the_end
    assert exit_status(journal.summary(), stopped=True) == 0


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    for option in ("--config", "--frames", "--seconds", "--json", "--report", "--verbose"):
        assert option in out


def test_the_camera_is_chosen_by_its_source(tmp_path: Path) -> None:
    chosen = {
        source: type(camera_of(CameraSettings(source=source)))
        for source in ("picamera2", "usb:0", "rtsp://camera/1", str(tmp_path), str(tmp_path / "a"))
    }
    assert list(chosen.values()) == [PiCamera, LiveCamera, LiveCamera, FolderCamera, ClipCamera]
