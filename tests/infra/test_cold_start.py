"""The benchmark of starting: that each way answers, not how fast."""

import stat
from pathlib import Path

import pytest

from infra.bench.cold_start import cold_start, write_frame
from sightline.errors import ConfigError
from sightline.faces.detector import Detector
from sightline.faces.image import decode


def test_each_way_answers_and_its_stages_follow_one_another(tmp_path: Path) -> None:
    starts = cold_start(
        tmp_path, engine="dlib", runs=1, folder=tmp_path / "engines", say=lambda _: None
    )

    assert [start.name for start in starts] == ["dlib", "dlib, in turn, from the ONNX file"]
    assert list(starts[0].stages) == ["imports", "engine", "frame"]
    assert list(starts[1].stages) == ["imports", "detector", "engine", "frame"]
    for start in starts:
        done = list(start.stages.values())
        assert done == sorted(done)
        assert done[-1] < start.total_ms
        assert start.times_ms == (start.total_ms,)


def test_the_frame_is_hd_with_one_face(tmp_path: Path, engine_detector: Detector) -> None:
    write_frame(tmp_path / "frame.jpg")

    frame = decode((tmp_path / "frame.jpg").read_bytes())

    assert frame.shape == (720, 1280, 3)
    assert len(engine_detector.detect(frame)) == 1


def test_a_start_that_fails_says_what_the_process_said(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'no module named facenet_pytorch' >&2; exit 1\n")
    python.chmod(python.stat().st_mode | stat.S_IXUSR)

    with pytest.raises(ConfigError, match="facenet-pytorch did not answer: no module named"):
        cold_start(
            tmp_path,
            engine="dlib",
            runs=1,
            folder=tmp_path / "engines",
            reference=python,
            say=lambda _: None,
        )


@pytest.fixture
def engine_detector() -> Detector:
    return Detector()
