"""`./run video` and `./run load`: videos and frames through the real stack."""

import json
import shutil
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image

from infra.local.stack import LocalStack
from infra.target import Target
from tests.end_to_end.actors import Finished, one_line, run_command
from tests.end_to_end.films import empty_film, grace_film, stranger_film

__all__ = ["empty_film", "grace_film", "stranger_film"]


class Runner:
    """Runs commands on the stack, somewhere of its own."""

    def __init__(self, state: Path, folder: Path) -> None:
        self.state = state
        self.folder = folder

    def __call__(self, *words: str | Path) -> Finished:
        return run_command(self.state, *words, "--out", self.folder / "out", deadline_s=240)

    @property
    def written(self) -> set[str]:
        return {path.name for path in (self.folder / "out").iterdir()}

    def video(self, source: Path, name: str) -> Path:
        """Give a video a name that no other test uses."""
        path = self.folder / f"{uuid4().hex[:6]}-{name}"
        shutil.copy(source, path)
        return path


@pytest.fixture
def run(stack: LocalStack, grace: str, tmp_path: Path) -> Runner:
    return Runner(stack.settings.state, tmp_path)


def test_it_says_who_is_in_videos_and_draws_contact_sheets(
    run: Runner, grace_film: Path, stranger_film: Path
) -> None:
    known, stranger = run.video(grace_film, "party äöü [b1].mp4"), run.video(stranger_film, "b.mp4")

    done = run("video", known, stranger)

    assert done.status == 0, done.err
    row = next(line for line in done.out.splitlines() if "Grace Hopper" in line)
    assert row.split()[-2] == "6"  # frames
    assert "[b1]" in done.out  # a name is no markup
    assert f"{stranger.name}: complete: 6 of 6 stills recognised, faces, but nobody" in done.out
    endings = (".txt", ".csv", ".json", ".jpg", ".contact-sheet.png")
    assert run.written == {
        f"{each.stem}{ending}" for each in (known, stranger) for ending in endings
    }
    assert (run.folder / "out" / f"{known.stem}.txt").read_text() == "Grace Hopper\n"
    with Image.open(run.folder / "out" / f"{known.stem}.contact-sheet.png") as sheet:
        assert sheet.size == (4 * 420, 2 * (round(420 * 360 / 640) + 30))


def test_a_video_that_is_none_ends_with_one_line_that_says_why(run: Runner) -> None:
    text = run.folder / f"{uuid4().hex[:6]}.mp4"
    text.write_text("I am a text. " * 200)

    done = run("video", text)

    assert done.status == 1
    said = one_line("\n".join(line for line in done.err.splitlines() if "sightline:" in line))
    assert f"{text.name}: refused: not_a_video: " in said
    assert run.written == {f"{text.stem}.json"}


def test_a_video_larger_than_the_stack_takes_is_refused_before_it_is_uploaded(
    run: Runner, target: Target
) -> None:
    video = run.folder / f"{uuid4().hex[:6]}.mp4"
    with video.open("wb") as file:
        file.truncate(5_000_000_001)  # sparse: it takes no room

    done = run("video", video)

    assert done.status == 2
    said = one_line(done.err)
    assert f"{video.name}: it has 5001 MB, and the stack takes 5000 at most" in said
    assert "deploy with a larger MaxVideoMb" in said
    there = {"Bucket": target.output("InputBucket"), "Prefix": video.name}
    assert target.client("s3").list_objects_v2(**there)["KeyCount"] == 0


def test_the_same_video_again_is_done_again(run: Runner, empty_film: Path) -> None:
    video = run.video(empty_film, "a.mp4")
    assert run("video", video).status == 0
    first = json.loads((run.folder / "out" / f"{video.stem}.json").read_text())["job"]

    assert run("video", video).status == 0

    second = json.loads((run.folder / "out" / f"{video.stem}.json").read_text())["job"]
    assert first != second


def test_what_was_uploaded_can_be_asked_after(run: Runner, grace_film: Path) -> None:
    video = run.video(grace_film, "a.mp4")
    assert run("video", video).status == 0

    done = run("video", "--again", video)

    assert done.status == 0, done.err
    assert "Grace Hopper" in done.out


def test_load_of_videos_is_measured_and_names_are_checked(
    run: Runner, grace_film: Path, stranger_film: Path, target: Target
) -> None:
    folder = run.folder / "clips"
    folder.mkdir()
    shutil.copy(grace_film, folder / "grace.mp4")
    shutil.copy(stranger_film, folder / "stranger.mp4")
    truth = run.folder / "truth.csv"
    truth.write_text("file,name\ngrace.mp4,Grace Hopper\nstranger.mp4,unknown\n")
    words = ("--rate", "5", "--concurrency", "100", "--repeat", "3", "--expected", truth, "--clean")

    done = run("load", "videos", folder, *words)

    assert done.status == 0, done.err
    report = json.loads((run.folder / "out" / "report.json").read_text())
    assert (report["figures"]["answered"], report["figures"]["failed"]) == (6, 0)
    assert {each["stills"] for each in report["fates"]} == {6}
    assert report["figures"]["latency_p50_s"] > 0
    assert {"report.json", "latency.png"} == run.written
    listed = target.client("s3").list_objects_v2(
        Bucket=target.output("OutputBucket"), Prefix=f"load/{report['named']}/"
    )
    assert listed["KeyCount"] == 0


def test_load_of_frames_is_measured(run: Runner) -> None:
    done = run("load", "frames", "--devices", "20", "--fps", "2", "--seconds", "1")

    assert done.status == 0, done.err
    report = json.loads((run.folder / "out" / "report.json").read_text())
    assert (report["figures"]["answered"], report["figures"]["failed"]) == (40, 0)
    with Image.open(run.folder / "out" / "latency.png") as picture:
        assert picture.size == (880, 600)
