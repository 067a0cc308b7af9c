import shlex
import signal
import subprocess
import sys
from datetime import UTC
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cloud.videos.ledger_table import LedgerTable
from cloud.videos.video import FilmFacts, Video
from infra.packaging import PROJECT
from tests.infra.videos.conftest import PlayedStack
from tests.infra.videos.memory import document

ADA = {
    "id": "ada-lovelace",
    "name": "Ada Lovelace",
    "record": {"major": "Mathematics"},
    "first_seen_s": 0.5,
    "last_seen_s": 1.0,
    "frames": 2,
    "best_frame": "party/00002.jpg",
    "smallest_distance": 0.312,
}
FACE = {
    "box": [200, 60, 150, 180],
    "detection": 0.99,
    "decision": "known",
    "person": {"id": "ada-lovelace", "name": "Ada Lovelace", "record": {}},
    "distance": 0.312,
    "margin": 0.2,
    "threshold": 0.55,
}


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "party.mp4"
    path.write_bytes(b"a video, to those who play the stack")
    return path


def still() -> bytes:
    return cv2.imencode(".jpg", np.full((360, 640, 3), 90, np.uint8))[1].tobytes()


def answer_with_ada(played: PlayedStack) -> None:
    sightings = [
        {"key": f"party/{number:05}.jpg", "offset_s": number / 2, "faces": [FACE]}
        for number in (1, 2)
    ]

    def play(key: str) -> None:
        for each in sightings:
            played.stage.put_data(str(each["key"]), still())
        played.answer(key, names=["Ada Lovelace"], still=still(), people=[ADA], sightings=sightings)

    played.play = play


def test_it_uploads_waits_and_says_who_is_in_a_video(
    played: PlayedStack, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer_with_ada(played)

    assert played.run("video", clip, "--out", tmp_path / "seen") == 0

    told = capsys.readouterr()
    row = next(line for line in told.out.splitlines() if "Ada Lovelace" in line)
    assert row.split() == ["party.mp4", "Ada", "Lovelace", "0:00.5", "0:01.0", "2", "0.31"]
    assert "party.mp4: complete: 2 of 2 stills recognised, 1 person" in told.out
    assert "party.mp4: uploaded" in told.err
    assert (tmp_path / "seen" / "party.txt").read_text() == "Ada Lovelace\n"
    written = {path.name for path in (tmp_path / "seen").iterdir()}
    assert written == {f"party.{e}" for e in ("txt", "csv", "json", "jpg", "contact-sheet.png")}
    with Image.open(tmp_path / "seen" / "party.contact-sheet.png") as sheet:
        assert sheet.width == 2 * 420


def test_a_video_that_is_refused_ends_with_an_error_that_says_why_and_what_helps(
    played: PlayedStack, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    played.play = lambda key: played.answer(
        key, status="refused", reason="no_video_stream", detail="only audio: aac", frames=None
    )

    assert played.run("video", clip, "--out", tmp_path / "seen") == 1

    told = capsys.readouterr()
    assert "sightline: party.mp4: refused: no_video_stream: only audio: aac - it has no" in told.err
    assert "nobody known was seen" in told.out
    assert [path.name for path in (tmp_path / "seen").iterdir()] == ["party.json"]


def test_an_incomplete_video_ends_with_an_error_and_still_gives_what_there_is(
    played: PlayedStack, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = {"sampled": 20, "recognized": 10, "rejected": 0, "missing": 10}
    played.play = lambda key: played.answer(
        key, status="incomplete", reason="stalled", frames=counts, problems=["broken at 9.5 s"]
    )

    assert played.run("video", clip, "--out", tmp_path / "seen") == 1

    told = capsys.readouterr()
    assert "incomplete: stalled; 10 of 20 stills were recognised - look at ./run status" in told.err
    assert "party.mp4: note: broken at 9.5 s" in told.out
    assert (tmp_path / "seen" / "party.csv").exists()


def test_two_files_of_one_name_are_two_videos(
    played: PlayedStack, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "holidays" / "party.mov"
    other.parent.mkdir()
    other.write_bytes(b"another")

    assert played.run("video", clip, other.parent, "--out", tmp_path / "seen") == 0

    assert sorted(played.input.list("")) == ["party-2.mov", "party.mp4"]
    assert (tmp_path / "seen" / "party-2.txt").exists()
    assert "party-2.mov: complete" in capsys.readouterr().out


def test_a_wish_for_sampling_goes_with_the_video(
    played: PlayedStack, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert played.run("video", clip, "--sampling", "2", "--out", tmp_path / "seen") == 0
    head = played._account.client("s3").head_object(Bucket=played.input.name, Key="party.mp4")
    assert head["Metadata"] == {"sightline-sampling": "every:2"}

    assert played.run("video", clip, "--sampling", "often", "--out", tmp_path / "seen") == 2
    assert "every:" in capsys.readouterr().err


def test_who_waits_no_longer_is_told_how_to_ask_again_and_that_works(
    played: PlayedStack, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    played.play = lambda key: None

    assert played.run("video", clip, "--timeout", "1", "--out", tmp_path / "seen") == 1

    err = capsys.readouterr().err
    assert "party.mp4: it has no result yet" in err
    command = next(line for line in err.splitlines() if "./run video" in line)
    words = shlex.split(command.partition("./run ")[2])
    assert words == ["video", "--again", str(clip)]

    answer_with_ada(played)
    played.play("party.mp4")
    assert played.run(*words, "--out", tmp_path / "seen") == 0
    assert "Ada Lovelace" in capsys.readouterr().out


def test_ctrl_c_leaves_the_work_to_the_stack_and_says_how_to_ask_again(
    played: PlayedStack, clip: Path, tmp_path: Path
) -> None:
    played.play = lambda key: None
    words = ["--state", played.state, "video", clip, "--out", tmp_path / "seen"]
    command = [sys.executable, "-m", "infra", *map(str, words)]
    with subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert "party.mp4: uploaded" in process.stderr.readline()
            process.stderr.readline()  # it waits
            process.send_signal(signal.SIGINT)
            said = process.stderr.read()
            assert process.wait(30) == 130
        finally:
            process.kill()
    assert f"./run video --again {clip}" in said
    assert list(played.input.list("")) == ["party.mp4"]


def test_asking_after_what_was_never_uploaded_is_answered_in_one_line(
    played: PlayedStack, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert played.run("video", "--again", clip, "--out", tmp_path / "seen") == 2

    [line] = capsys.readouterr().err.strip().splitlines()
    assert "the stack has no video 'party.mp4'; leave --again off to upload it" in line


def test_the_stacks_notes_are_shown_while_it_works(
    played: PlayedStack, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def play(key: str) -> None:
        stored = played.input.find(key)
        data = played.input.get(key)
        assert stored is not None
        assert data is not None
        at = stored.stored_at.astimezone(UTC)
        video = Video(
            name="party",
            key=key,
            job=document(key, data, at)["job"],
            order="1",
            etag=stored.etag,
            bytes=len(data),
            uploaded_at=at,
            changed_at=at,
            expires_at=at,
            settings={},
            film=FilmFacts(codec="h264", width=1280, height=720),
            stills=120,
            stills_done=40,
            chunks=12,
        )
        table = LedgerTable(played._account.client("dynamodb"), f"{played.name}-videos")
        table.write(video, expected=None)

    played.play = play

    assert played.run("video", clip, "--timeout", "2", "--out", tmp_path / "seen") == 1

    assert "party.mp4: recognizing, 40 of 120 stills" in capsys.readouterr().err


def test_a_video_too_large_for_any_stack_is_said_before_it_is_uploaded(
    played: PlayedStack, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large = tmp_path / "year.mp4"
    with large.open("wb") as file:
        file.truncate(10_000_000_001)  # sparse: it takes no room

    assert played.run("video", clip, large, "--out", tmp_path / "seen") == 2

    [line] = capsys.readouterr().err.strip().splitlines()
    assert "year.mp4: it has 10001 MB, and the stack takes 10000 at most; cut it" in line
    assert not played.input.list("")


@pytest.mark.parametrize("what", ["nowhere.mp4", "empty"])
def test_what_is_no_video_is_said_before_anything_is_uploaded(
    what: str, played: PlayedStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()

    assert played.run("video", tmp_path / what) == 2

    [line] = capsys.readouterr().err.strip().splitlines()
    assert what in line
