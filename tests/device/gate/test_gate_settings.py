from pathlib import Path

import pytest

from device.gate.settings import FaceSettings, GateSettings, MotionSettings
from device.settings import Settings
from sightline.errors import ConfigError
from tests.device.test_settings import WHOLE

GATE = """\
[gate]
mode = "faces"
look_s = 0.2
hold_s = 10
recheck_s = 3
burst_s = 0.5
keepalive_s = 60
[gate.motion]
threshold = 0.01
absorb_s = 300
[gate.faces]
smallest_px = 60
share = 0.5
idle_s = 30
"""


def load(folder: Path, gate: str) -> Settings:
    path = folder / "device.toml"
    path.write_text(WHOLE + gate, encoding="utf-8")
    return Settings.load(path)


def test_the_gates_section_is_read(tmp_path: Path) -> None:
    assert load(tmp_path, GATE).gate == GateSettings(
        mode="faces",
        look_s=0.2,
        hold_s=10,
        recheck_s=3,
        burst_s=0.5,
        keepalive_s=60,
        motion=MotionSettings(threshold=0.01, absorb_s=300),
        faces=FaceSettings(smallest_px=60, share=0.5, idle_s=30),
    )


def test_it_may_be_left_out(tmp_path: Path) -> None:
    assert load(tmp_path, "").gate == GateSettings()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"faces"', '"people"', r'\[gate\] mode: expected one of auto, off, motion, faces, got "p'),
        ('"faces"', "true", r"\[gate\] mode: expected a text in quotes, got True"),
        ("mode", "modus", r"\[gate\] modus: no such key; did you mean 'mode'\?"),
        ("look_s = 0.2", "look_s = 0", r"\[gate\] look_s: expected 0.02 to 10, got 0"),
        ("hold_s = 10", "hold_s = -1", r"\[gate\] hold_s: expected 0 to 3600, got -1"),
        ("recheck_s = 3", "recheck_s = 0", r"\[gate\] recheck_s: expected 0.1 to 3600"),
        ("burst_s = 0.5", "burst_s = 11", r"\[gate\] burst_s: expected 0 to 10"),
        ("= 60\n[gate.motion]", "= 0.5\n[gate.motion]", r"keepalive_s \(0: never\): expected 1 to"),
        ("threshold = 0.01", "threshold = 0", r"\[gate.motion\] threshold: expected 0.0001 to 1"),
        ("threshold = 0.01", "threshold = nan", r"\[gate.motion\] threshold: expected 0.0001 to"),
        ("absorb_s = 300", 'absorb_s = "5"', r"absorb_s: expected a number, got '5'"),
        ("smallest_px = 60", "smallest_px = 5", r"\[gate.faces\] smallest_px: expected 12 to"),
        ("smallest_px = 60", "smallest_px = 40.5", r"smallest_px: expected a whole number"),
        ("share = 0.5", "share = 1.5", r"\[gate.faces\] share: expected 0.01 to 1, got 1.5"),
        ("idle_s = 30", "idle_s = 0", r"\[gate.faces\] idle_s: expected 0.5 to"),
        ("[gate.faces]", "[gate.face]", r"\[gate\] face: no such key; did you mean 'faces'\?"),
    ],
)
def test_a_wrong_value_is_refused_by_name(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    assert old in GATE
    with pytest.raises(ConfigError, match=expected):
        load(tmp_path, GATE.replace(old, new))
