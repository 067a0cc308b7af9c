"""The section [spool] of device.toml."""

from dataclasses import dataclass
from pathlib import Path

from sightline.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolSettings:
    """How much may wait for the network, and where; the oldest frames are dropped first.

    Attributes:
        folder: None: `spool` in the agent's state folder (see `device.state_folder`).
        memory: Keep frames in memory alone: nothing wears the card, and a restart loses them.
        max_bytes: Of JPEG; at 60 KB a frame and two frames a second a gigabyte is over two hours.
        max_age_s: A day: a network that is away overnight costs nothing. What is older tells
            nobody who is at the door, and would only keep the network busy when it is back.
        memory_bytes: Of JPEG in memory, with `memory` or while the disk is in trouble.
    """

    folder: Path | None = None
    memory: bool = False
    max_frames: int = 50_000
    max_bytes: int = 1_000_000_000
    max_age_s: float = 86_400.0
    memory_bytes: int = 32_000_000

    def __post_init__(self) -> None:
        _within("max_frames", self.max_frames, 1, 1_000_000)
        _within("max_bytes", self.max_bytes, 100_000, 10**12)
        _within("max_age_s", self.max_age_s, 1, 366 * 86_400)
        _within("memory_bytes", self.memory_bytes, 100_000, 10**10)


def _within(key: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ConfigError(f"{key}: expected {least} to {most}, got {value}")
