"""Spools on disk to try things on; the fixtures are in conftest.py."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2

from device.spooling.disk_frames import Bounds
from device.spooling.disk_spool import DiskSpool
from device.spooling.spool import SpooledFrame
from tests.device.fakes import image, spooled

BOUNDS = Bounds(max_frames=1000, max_bytes=10**9, max_age_s=1000)
JPEG = cv2.imencode(".jpg", image())[1].tobytes()
Open = Callable[..., DiskSpool]


@dataclass
class Clock:
    """The monotonic clock of a spool, set by hand."""

    now_s: float = 60.0

    def __call__(self) -> float:
        return self.now_s


def real(second: int, jpeg: bytes = JPEG) -> SpooledFrame:
    """A frame whose file is a picture."""
    digest = hashlib.sha256(jpeg).hexdigest()
    return replace(spooled(second), jpeg=jpeg, size=len(jpeg), sha256=digest)


def taken(spool: DiskSpool) -> list[str]:
    """Take all that waits; the ids."""
    return [frame.frame_id for frame in iter(lambda: spool.take(0), None)]


def files(folder: Path) -> set[str]:
    return {each.name for each in (folder / "frames").iterdir()}
