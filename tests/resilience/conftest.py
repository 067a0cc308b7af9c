"""mosquitto with mutual TLS, the small cloud behind it, and faults between it and the agents."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from infra.fleet.fault_proxy import FaultProxy
from infra.fleet.ledger import Ledger
from infra.fleet.mosquitto import program
from infra.fleet.small_ground import SmallGround
from sightline.errors import ConfigError
from tests.resilience.crowd import Crowd


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures that are as large as a camera's: there is as much noise in them."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30, (640, 360))
    noise = np.random.default_rng(1)
    for _ in range(60):
        room = cv2.resize(noise.integers(0, 255, (45, 80, 3), np.uint8), (640, 360))
        writer.write(room)
    writer.release()
    return path


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def credentials_s() -> float:
    """For how long credentials hold; to be set otherwise by a test's parameter of that name."""
    return 3600.0


@pytest.fixture
def ground(tmp_path: Path, ledger: Ledger, credentials_s: float) -> Iterator[SmallGround]:
    try:
        program()
    except ConfigError as err:
        pytest.skip(str(err))
    folder = tmp_path / "ground"
    folder.mkdir()
    with SmallGround(folder, ledger.heard, credentials_s=credentials_s) as ground:
        yield ground


@pytest.fixture
def crowd(ground: SmallGround, ledger: Ledger, clip: Path, tmp_path: Path) -> Iterator[Crowd]:
    with FaultProxy(seed=5) as proxy:
        crowd = Crowd(ground, proxy, ledger, clip, tmp_path)
        try:
            yield crowd
        finally:
            crowd.close()
