"""Frames of a live camera for a while, and how long a clip is."""

import time
from collections.abc import Iterator
from pathlib import Path

import cv2

from device.cameras.camera import Camera, Captured
from device.capture import Schedule


def watched(camera: Camera, every_s: float, seconds: float) -> Iterator[Captured]:
    """Give a frame each *every_s*, for *seconds* from the first one on."""
    schedule = Schedule(every_s)
    until_s: float | None = None
    with camera:
        while until_s is None or time.monotonic() < until_s:
            captured = camera.capture(schedule)
            schedule.taken()
            if captured is None:
                return
            until_s = until_s or captured.captured_s + seconds
            yield captured


def clip_seconds(path: Path) -> float | None:
    """Tell how long a clip is; None if it does not say."""
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        frames, fps = video.get(cv2.CAP_PROP_FRAME_COUNT), video.get(cv2.CAP_PROP_FPS)
        return frames / fps if frames > 0 and fps > 0 else None
    finally:
        video.release()
