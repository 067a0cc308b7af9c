"""The section [recording] of device.toml."""

from dataclasses import dataclass
from pathlib import Path

from sightline.errors import ConfigError

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSettings:
    """Whether the camera is recorded, into what, and where that goes.

    Attributes:
        duration_s: From the agent's start; 0: for ever. Recognition goes on after it.
        segment_s: A segment is as long, to the nearest frame (of the Pi's encoder: key frame).
        bitrate: Bits a second: at most, or of the Pi's encoder about.
        crf: x264's constant quality; smaller is better and larger. The Pi's encoder has none.
        preset: x264's; slower ones make smaller segments.
        threads: For the encoder, by frames from OpenCV.
        upload_video: Segments go to the bucket, and from this disk when they are there.
        folder: Where segments lie; None: `segments` in the agent's state folder.
        max_bytes: All of them together; the oldest go first.
        keep_free_bytes: So much of the disk is left to others, such as the spool.
    """

    enabled: bool = False
    duration_s: float = 300.0
    segment_s: float = 10.0
    bitrate: int = 2_000_000
    crf: int = 26
    preset: str = "ultrafast"
    threads: int = 2
    upload_video: bool = False
    folder: Path | None = None
    max_bytes: int = 2_000_000_000
    keep_free_bytes: int = 200_000_000

    def __post_init__(self) -> None:
        if self.duration_s:
            _within("duration_s (0: for ever)", self.duration_s, 1, 10 * 365 * 86400)
        _within("segment_s", self.segment_s, 0.5, 300)
        _within("bitrate", self.bitrate, 50_000, 25_000_000)
        _within("crf", self.crf, 10, 45)
        _within("threads", self.threads, 1, 16)
        _within("max_bytes", self.max_bytes, 1_000_000, 10**12)
        _within("keep_free_bytes", self.keep_free_bytes, 0, 10**12)
        if self.preset not in PRESETS:
            raise ConfigError(f"preset: expected one of {', '.join(PRESETS)}, got {self.preset!r}")


def _within(key: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ConfigError(f"{key}: expected {least:,} to {most:,}, got {value:,}")
