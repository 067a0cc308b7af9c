"""What the whole agent has its disk write: frames, spool, result log, and all else."""

from pathlib import Path

import pytest

from infra.bench.agent import WRITTEN, measure
from infra.fleet.lone_agent import Task, make_clip
from infra.fleet.mosquitto import program
from sightline.errors import ConfigError
from tests.infra.bench.disks import in_memory


def test_an_agent_writes_little_more_than_its_frames(tmp_path: Path) -> None:
    try:
        program()
    except ConfigError as err:
        pytest.skip(str(err))
    if in_memory(tmp_path):
        pytest.skip(f"{tmp_path} is in memory, where nothing is written to a disk")
    make_clip(tmp_path / "clip.mp4")

    taken = measure(
        Task(clip=tmp_path / "clip.mp4", gate="off", interval_s=0.25),
        tmp_path / "agent",
        results=60,
    )

    assert taken.jpeg_bytes > 20_000
    assert 0.9 <= taken.written <= WRITTEN, taken
