import dataclasses
from pathlib import Path

import pytest

from device.journal import Journal
from device.recording.building import open_recording
from device.recording.segment_store import SegmentFolder
from device.settings import CameraSettings, Settings
from sightline.errors import ConfigError
from tests.device.fakes import settings
from tests.device.test_settings import WHOLE, load


def with_recording(folder: Path, text: str) -> Settings:
    return load(folder, f"{WHOLE}[recording]\n{text}\n")


def test_nothing_is_recorded_or_uploaded_unless_that_is_asked_for(tmp_path: Path) -> None:
    wanted = load(tmp_path, WHOLE).recording

    assert (wanted.enabled, wanted.upload_video) == (False, False)
    assert (wanted.duration_s, wanted.segment_s) == (300, 10)


def test_a_folder_is_relative_to_the_settings(tmp_path: Path) -> None:
    wanted = with_recording(tmp_path, 'enabled = true\nfolder = "video"\nduration_s = 0').recording

    assert (wanted.enabled, wanted.duration_s) == (True, 0)
    assert wanted.folder == tmp_path / "video"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("enabled = 1", r"enabled: expected true or false, got 1"),
        ("duration_s = 0.5", r"duration_s \(0: for ever\): expected 1 to"),
        ("duration_s = -1", r"duration_s \(0: for ever\): expected 1 to"),
        ("segment_s = 0.4", r"segment_s: expected 0.5 to 300, got 0.4"),
        ("segment_s = 301", r"segment_s: expected 0.5 to 300, got 301"),
        ("segment_s = nan", r"segment_s: expected 0.5 to 300, got nan"),
        ('segment_s = "10"', r"segment_s: expected a number"),
        ("bitrate = 1000", r"bitrate: expected 50,000 to 25,000,000, got 1,000"),
        ("crf = 51", r"crf: expected 10 to 45, got 51"),
        ('preset = "placebo"', r"preset: expected one of ultrafast, .*got 'placebo'"),
        ("threads = 0", r"threads: expected 1 to 16, got 0"),
        ("max_bytes = 5", r"max_bytes: expected 1,000,000 to"),
        ("keep_free_bytes = -1", r"keep_free_bytes: expected 0 to"),
        ('upload_video = "yes"', r"upload_video: expected true or false"),
        ("folder = 5", r"folder: expected a path in quotes"),
        ("segments = 5", r"segments: no such key; did you mean"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=r"\[recording\] " + expected):
        with_recording(tmp_path, text)


def test_segments_lie_in_the_state_folder_unless_told_otherwise(tmp_path: Path) -> None:
    chosen = settings()
    chosen = dataclasses.replace(
        chosen,
        camera=CameraSettings(source="usb:0"),
        recording=dataclasses.replace(chosen.recording, enabled=True),
    )
    state = {"STATE_DIRECTORY": str(tmp_path)}
    with open_recording(chosen, state, Journal(), SegmentFolder(tmp_path / "b")) as recording:
        assert recording
        assert (tmp_path / "segments").is_dir()
        with (
            pytest.raises(ConfigError, match="another agent records there"),
            open_recording(chosen, state, Journal(), SegmentFolder(tmp_path / "b")),
        ):
            pass


def test_one_that_is_off_makes_no_folder(tmp_path: Path) -> None:
    chosen = dataclasses.replace(settings(), camera=CameraSettings(source="usb:0"))
    state = {"STATE_DIRECTORY": str(tmp_path)}
    with open_recording(chosen, state, Journal(), SegmentFolder(tmp_path / "b")) as recording:
        assert recording
        assert not recording.each_frame
    assert list(tmp_path.iterdir()) == []
