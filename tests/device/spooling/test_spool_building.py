"""Which spool the settings ask for, and where it is."""

from dataclasses import replace
from pathlib import Path

import pytest

from device.spooling.building import open_spool
from device.spooling.disk_spool import DiskSpool
from device.spooling.memory_spool import MemorySpool
from device.spooling.settings import SpoolSettings
from device.state_folder import state_folder
from sightline.errors import ConfigError
from tests.device.fakes import settings, spooled
from tests.device.test_settings import WHOLE, load


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"STATE_DIRECTORY": "/var/lib/sightline", "XDG_STATE_HOME": "/x"}, "/var/lib/sightline"),
        ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, "/var/lib/a"),
        ({"XDG_STATE_HOME": "/x"}, "/x/sightline/door"),
        ({"XDG_STATE_HOME": "relative"}, str(Path.home() / ".local/state/sightline/door")),
        ({}, str(Path.home() / ".local/state/sightline/door")),
    ],
)
def test_state_lies_where_systemd_says_or_the_user_keeps_it(
    environment: dict[str, str], expected: str
) -> None:
    assert state_folder("door", environment) == Path(expected)


def test_frames_are_kept_on_disk_unless_told_otherwise(tmp_path: Path) -> None:
    environment = {"XDG_STATE_HOME": str(tmp_path)}
    with open_spool(settings(), environment) as spool:
        assert isinstance(spool, DiskSpool)
        spool.put(spooled())
    assert (tmp_path / "sightline" / "front-door" / "spool" / "spool.db").exists()

    in_memory = replace(settings(), spool=SpoolSettings(memory=True))
    with open_spool(in_memory, {}) as spool:
        assert isinstance(spool, MemorySpool)


def test_a_folder_of_its_own_is_relative_to_the_settings(tmp_path: Path) -> None:
    chosen = load(tmp_path, f'{WHOLE}[spool]\nfolder = "kept"\nmax_age_s = 60\n')

    with open_spool(chosen, {}) as spool:
        spool.put(spooled())
        with pytest.raises(ConfigError, match="another agent has this spool"):
            open_spool(chosen, {})
    assert len([*(tmp_path / "kept" / "frames").iterdir()]) == 1


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ("max_bytes = 1", r"\[spool\] max_bytes: expected 100000 to"),
        ("max_frames = 0", r"\[spool\] max_frames: expected 1 to"),
        ("max_age_s = 0", r"\[spool\] max_age_s: expected 1 to"),
        ("memory_bytes = 7", r"\[spool\] memory_bytes: expected 100000 to"),
        ("memory = 1", r"\[spool\] memory: expected true or false, got 1"),
        ("folder = 5", r"\[spool\] folder: expected a path in quotes, got 5"),
        ("max_byte = 5", r"\[spool\] max_byte: no such key; did you mean 'max_bytes'"),
    ],
)
def test_every_wrong_setting_is_told_by_its_name(wrong: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=expected):
        load(tmp_path, f"{WHOLE}[spool]\n{wrong}\n")
