from pathlib import Path

import cv2
import numpy as np
import pytest

from device.settings import Settings
from infra.cli import main
from tests.device.gate.scenery import Room
from tests.device.test_settings import WHOLE


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Four seconds at ten frames each: nobody, somebody who walks, nobody."""
    room, path = Room(noise=1), tmp_path / "door.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (160, 120))
    for each in [*room.empty(0, 1), *room.walking(1, 2), *room.empty(3, 1)]:
        writer.write(each.image)
    writer.release()
    return path


def test_it_tells_what_would_be_sent_and_draws_it(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "gate.png"

    assert main(["gate", str(clip), "--mode", "motion", "--out", str(picture)]) == 0

    out = capsys.readouterr().out
    assert "of 40 looked at" in out
    assert "passed: something moves" in out
    assert "ms a frame" in out
    drawn = cv2.imread(str(picture))
    assert drawn is not None
    assert drawn.shape[1] == 1400


def test_what_it_prints_for_device_toml_can_be_put_there(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--threshold", "0.02", "--hold", "8", "--out", str(tmp_path / "gate.png")]
    assert main(["gate", str(clip), "--mode", "faces", *words]) == 0
    out = capsys.readouterr().out
    path = tmp_path / "device.toml"
    path.write_text(WHOLE + out[out.index("[gate]") :])

    gate = Settings.load(path).gate
    assert (gate.mode, gate.motion.threshold, gate.hold_s) == ("faces", 0.02, 8)


def test_with_the_truth_it_counts_what_was_missed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    portrait = cv2.imread(str(Path(__file__).parents[1] / "data" / "grace-hopper.jpg"))
    assert portrait is not None
    for i in range(3):
        cv2.imwrite(str(pictures / f"{i}.png"), np.roll(portrait, 20 * i, axis=1))

    assert main(["gate", str(pictures), "--truth", "--out", str(tmp_path / "gate.png")]) == 0

    assert "3 frames with a usable face, 0 missed (0.0 %)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.mp4"], "nowhere.mp4: no such file or folder"),
        (["{clip}", "--mode", "off"], "--mode: expected motion or faces, got 'off'"),
        (["{clip}", "--threshold", "7"], "threshold: expected 0.0001 to 1, got 7.0"),
        (["{clip}", "--out", "gate.txt"], "--out gate.txt: expected a name ending in .png"),
        (["{clip}", "--out", "nowhere/gate.png"], "in a folder there is"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    words: list[str], said: str, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gate", *(word.format(clip=clip) for word in words)]) == 2

    [line] = capsys.readouterr().err.strip().splitlines()
    assert said in line
