"""Fixtures of the device's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from device.spooling.disk_frames import Bounds
from device.spooling.disk_spool import DiskSpool
from device.spooling.memory_spool import MemorySpool
from tests.device.fakes import key_of
from tests.device.spooling.spools import BOUNDS, Clock, Open


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def open_spool(folder: Path, clock: Clock) -> Iterator[Open]:
    """Open a spool on the folder; the one before is closed, as a process's end would."""
    opened: list[DiskSpool] = []

    def again(
        *, bounds: Bounds = BOUNDS, boot: str = "boot", memory: MemorySpool | None = None
    ) -> DiskSpool:
        for each in opened:
            each.close()
        memory = memory or MemorySpool(clock=clock)
        opened.append(DiskSpool(folder, key_of, bounds, memory, boot=boot, clock=clock))
        return opened[-1]

    yield again
    for each in opened:
        each.close()
