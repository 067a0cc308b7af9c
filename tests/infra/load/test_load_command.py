import json
from pathlib import Path

import pytest
from PIL import Image

from tests.infra.videos.conftest import PlayedStack


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("a.mp4", "b.mov"):
        (folder / name).write_bytes(name.encode())
    return folder


def load(played: PlayedStack, clips: Path, *words: str | Path) -> int:
    out = clips.parent / "out"
    return played.run("load", "videos", clips, "--rate", "50", "--out", out, *words)


def test_it_uploads_waits_checks_and_draws(
    played: PlayedStack, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load(played, clips, "--repeat", "3") == 0

    out = capsys.readouterr().out
    assert "videos sent" in out
    assert "6 in" in out
    report = json.loads((clips.parent / "out" / "report.json").read_text())
    assert report["figures"]["answered"] == 6
    assert report["figures"]["latency_p95_s"] > 0
    with Image.open(clips.parent / "out" / "latency.png") as picture:
        assert picture.size == (880, 600)
    assert len(played.input.list(f"load/{report['named']}/")) == 6


def test_what_fails_is_named_and_the_end_is_an_error(
    played: PlayedStack, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def play(key: str) -> None:
        if key.endswith(".mov"):
            played.answer(key, status="refused", reason="no_frames", detail="none", frames=None)
        else:
            played.answer(key)

    played.play = play

    assert load(played, clips) == 1

    told = capsys.readouterr()
    assert "00002-b.mov: refused: no_frames: none" in told.err
    assert "refused" in told.out


def test_names_are_held_against_a_csv(
    played: PlayedStack, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = clips.parent / "truth.csv"
    truth.write_text("file,name\na.mp4,Ada\n")

    assert load(played, clips, "--expected", truth) == 1

    assert "00001-a.mp4: other names: not seen: Ada" in capsys.readouterr().err


def test_a_csv_of_videos_that_are_not_there_is_refused_at_once(
    played: PlayedStack, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = clips.parent / "truth.csv"
    truth.write_text("file,name\nz.mp4,Ada\n")

    assert load(played, clips, "--expected", truth) == 2

    [line] = capsys.readouterr().err.strip().splitlines()
    assert "there is no video 'z.mp4'" in line
    assert not played.input.list("")


def test_it_can_clean_up_after_itself(played: PlayedStack, clips: Path) -> None:
    assert load(played, clips, "--clean") == 0

    assert not played.input.list("")
    assert not played.output.list("")
    assert not played.stage.list("")
