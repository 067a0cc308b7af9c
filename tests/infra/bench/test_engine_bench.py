"""What `bench engine` is made of, short of the measuring itself."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from infra.bench import pictures, report, stages, turns
from infra.bench.engine import ROWS, Figure, Results, measure
from infra.bench.reference import PINS, find_reference
from infra.bench.workers import Worker
from sightline.errors import ConfigError

FIGURE = Figure(
    row=ROWS[0],
    ours_ms=20.0,
    reference_ms=200.0,
    ratio=10.0,
    ours_faces=1.0,
    reference_faces=1.5,
)
RESULTS = Results(
    pictures="a portrait",
    turns=3,
    figures=[FIGURE],
    resident_mb={"dlib": 150.0, "facenet": 300.0},
    stages=[{"name": "PNet", "gflop": 2.3, "gflops": 70.0, "share": 0.7, "ms": 33.0}],
    versions={"dlib": {"onnxruntime": "1.2"}, "reference": {"torch": "2.2.2"}},
    notes=["random weights"],
)


@pytest.mark.parametrize(("ratio", "reached"), [(8.0, True), (7.9, False), (None, None)])
def test_a_ratio_is_reached_or_not_or_unknown(ratio: float | None, reached: bool | None) -> None:
    assert replace(FIGURE, ratio=ratio).reached is reached


def test_a_time_is_held_to_its_own_limit() -> None:
    (row,) = [row for row in ROWS if row.most_ms is not None]

    assert replace(FIGURE, row=row, ours_ms=59.0).reached is True
    assert replace(FIGURE, row=row, ours_ms=61.0).reached is False


def test_what_falls_short_is_said_so() -> None:
    text = report.markdown(replace(RESULTS, figures=[replace(FIGURE, ratio=3.0)]), "./run bench")

    assert "| one face, `dlib` | 3.0 | ≥ 8 — short | 20.0 ms (50.0/s) |" in text
    assert "| facenet | 300 MB | ≤ 260 MB — short |" in text
    assert "| dlib | 150 MB | ≤ 160 MB ✓ |" in text
    assert "torch 2.2.2" in text


def test_the_tables_take_the_place_of_the_last_ones_and_leave_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text(
        "# Benchmarks\n\nbefore\n\n"
        "<!-- bench engine -->\nthe last ones\n<!-- end of bench engine -->\n\nafter\n"
    )

    report.write_markdown(page, RESULTS, "./run bench engine")
    once = page.read_text()
    report.write_markdown(page, RESULTS, "./run bench engine")

    assert page.read_text() == once
    assert "the last ones" not in once
    assert once.startswith("# Benchmarks\n\nbefore\n")
    assert once.endswith("<!-- end of bench engine -->\n\nafter\n")


def test_a_page_that_is_not_there_is_begun(tmp_path: Path) -> None:
    report.write_markdown(tmp_path / "benchmarks.md", RESULTS, "./run bench engine")

    assert (tmp_path / "benchmarks.md").read_text().startswith("# Benchmarks\n")


def test_the_frames_are_what_the_tables_call_them(tmp_path: Path) -> None:
    pictures.write_pictures(tmp_path)

    for name in ("one", "six"):
        files = sorted((tmp_path / name).glob("*.jpg"))
        shapes = {cv2.imread(str(file)).shape for file in files}
        assert (len(files), shapes) == (pictures.FRAMES, {(720, 1280, 3)})
        assert len({file.read_bytes() for file in files}) == len(files)
    large = cv2.imread(str(tmp_path / "large" / "0.jpg"))
    assert large.shape == (3000, 4000, 3)
    assert np.load(tmp_path / "chips.npy").shape == (2, 150, 150, 3)


def test_arithmetic_is_counted_as_by_hand() -> None:
    # PNet on 12 x 12 px: 10 maps of 10 x 10 by 27, then 16 of 3 x 3 by 90, 32 of 1 by 144, 6 by 32.
    by_hand = 2 * (10 * 100 * 27 + 16 * 9 * 90 + 32 * 144 + 6 * 32)

    assert stages.convolutions(stages._PNET, 12, 12) == by_hand
    assert stages.pyramid(720, 1280, 20)[0] == (433, 769)
    assert len(stages.pyramid(720, 1280, 20)) == 11


def test_a_task_is_done_once_at_least_and_its_faces_are_counted_a_pass() -> None:
    done = turns.run(lambda: 3, 0)

    assert done["passes"] == 1
    assert done["faces"] == 3
    assert turns.run(lambda: 3, 0.01)["passes"] > 1


def test_what_a_library_prints_does_not_come_between_the_answers() -> None:
    script = """
from infra.bench.turns import serve
def load(request):
    print("hello from a library")
    return {"task": lambda: request["n"]}, {"more": lambda asked: {"more": asked["n"]}}
serve(load, ())
"""
    asked = [
        {"do": "load", "n": 4},
        {"do": "run", "task": "task", "seconds": 0},
        {"do": "more", "n": 1},
    ]

    done = subprocess.run(
        [sys.executable, "-c", script],
        input="".join(json.dumps(each) + "\n" for each in asked),
        capture_output=True,
        text=True,
        check=True,
    )

    loaded, ran, more = map(json.loads, done.stdout.splitlines())
    assert loaded == {"tasks": ["task"]}
    assert ran["faces"] == 4
    assert more == {"more": 1}


def test_a_side_that_does_not_come_up_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the process that measures nobody ended"):
        Worker("nobody", [sys.executable, "-c", ""], {})


def test_an_environment_of_other_pins_is_made_anew(tmp_path: Path) -> None:
    assert find_reference(tmp_path) is None
    (tmp_path / ".installed").write_text("torch==1.0\n")
    assert find_reference(tmp_path) is None
    (tmp_path / ".installed").write_text("\n".join(PINS))
    assert find_reference(tmp_path) == tmp_path / "bin" / "python"


def test_ours_alone_is_measured_where_there_is_no_reference(tmp_path: Path) -> None:
    said: list[str] = []

    results = measure(tmp_path, python=None, turns=1, say=said.append, window_s=0)

    by_name = {figure.row.name: figure for figure in results.figures}
    assert by_name["one face, `dlib`"].ours_faces >= 1
    assert by_name["six faces, `dlib`"].ours_faces >= 5
    assert all(figure.ratio is None and figure.ours_ms > 0 for figure in results.figures)
    assert results.resident_mb["dlib"] > 50
    assert {"matrix product, 2048", "dlib, one face"} <= {each["name"] for each in results.stages}
