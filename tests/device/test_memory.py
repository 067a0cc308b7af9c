"""What an agent takes of a Pi's memory: the real one, in a process of its own."""

from pathlib import Path

import pytest

from infra.bench.agent import FACES_MB, MOTION_MB, measure
from infra.fleet.lone_agent import Task, make_clip
from infra.fleet.mosquitto import program
from sightline.errors import ConfigError


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        program()
    except ConfigError as err:
        pytest.skip(str(err))
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    make_clip(path)
    return path


@pytest.mark.parametrize(
    ("gate", "recording", "most_mb"),
    [("motion", False, MOTION_MB), ("faces", False, FACES_MB), ("motion", True, MOTION_MB)],
    ids=["motion", "faces", "recording"],
)
def test_it_takes_no_more_than_a_small_pi_has(
    gate: str, recording: bool, most_mb: float, clip: Path, tmp_path: Path
) -> None:
    taken = measure(Task(clip=clip, gate=gate, recording=recording), tmp_path, results=8)

    assert f"the gate is on: {gate}" in taken.said
    assert taken.peak_mb <= most_mb
