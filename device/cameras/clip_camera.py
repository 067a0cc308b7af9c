"""A video file as a camera."""

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2

from device.cameras.camera import Captured, Pace
from device.clock import utc_now
from sightline.errors import ConfigError

_DEFAULT_FPS = 25.0
_DAMAGED = 500  # frames in a row: more than any group of pictures has, and quickly passed over


class ClipCamera:
    """Play a clip in real time by its own time stamps. See `device.cameras.camera.Camera`.

    A frame wanted each half second is thus half a second of the clip from the last. Where the
    machine decodes slower than that, frames are passed over, and the clip stays on time.
    """

    def __init__(
        self,
        path: Path,
        *,
        loop: bool = False,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._loop = loop
        self._now = now
        self._clock = clock
        self._video: cv2.VideoCapture | None = None
        self._frame_s = 1 / _DEFAULT_FPS
        self._begun_s: float | None = None  # when the clip's first frame was shown
        self._shown_s = 0.0  # into the clip
        self._frames = 0  # since the clip began
        self._passed = 0  # the same, with those that could not be decoded

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._video is not None:
            self._video.release()

    def capture(self, pace: Pace) -> Captured | None:
        """See `device.cameras.camera.Camera.capture`."""
        while self._advance():
            pace.pause(self._play_at_s() - self._clock())
            if pace.remaining_s() > 0:
                continue
            assert self._video is not None  # noqa: S101
            done, image = self._video.retrieve()
            if done:
                return Captured(
                    image=image,  # type: ignore[arg-type]
                    captured_at=self._now(),
                    captured_s=self._clock(),
                )
        return None

    def _advance(self) -> bool:
        """Go on to the next frame; False at the end of a clip that is not played again."""
        assert self._video is not None, "a camera is open from __enter__ to __exit__"  # noqa: S101
        if not self._grab():
            if not self._loop:
                return False
            next_s = self._play_at_s() + self._frame_s
            self._open()
            self._begun_s = next_s
            if not self._grab():
                return False
        self._frames += 1
        if self._begun_s is None:
            self._begun_s = self._clock()
        # Some containers give no time stamps (0 for each frame): then the rate says.
        stamp_s = self._video.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if self._frames > 1 and stamp_s <= self._shown_s:
            stamp_s = self._shown_s + self._frame_s
        self._shown_s = max(0.0, stamp_s) if self._frames > 1 else 0.0
        return True

    def _grab(self) -> bool:
        """Go on to the next frame that can be decoded: OpenCV fails at each that cannot."""
        assert self._video is not None  # noqa: S101
        last = self._video.get(cv2.CAP_PROP_FRAME_COUNT)  # 0 or less: nobody knows
        for _ in range(_DAMAGED):
            if self._video.grab():
                self._passed += 1
                return True
            self._passed += 1
            if 0 < last < self._passed:
                return False
        return False

    def _play_at_s(self) -> float:
        return (self._begun_s or 0.0) + self._shown_s

    def _open(self) -> None:
        if self._video is not None:
            self._video.release()
        if not self._path.exists():
            raise ConfigError(f"camera source {self._path}: no such file or folder")
        self._video = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        # A text file named .mp4 may open, and then has no frame.
        if not self._video.isOpened() or not self._video.grab():
            raise ConfigError(
                f"camera source {self._path}: it is not a video that can be read; "
                "try to play it, or turn it into H.264 in MP4"
            )
        self._video.release()
        self._video = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        fps = self._video.get(cv2.CAP_PROP_FPS)
        self._frame_s = 1 / (fps if 0 < fps <= 1000 else _DEFAULT_FPS)
        self._shown_s, self._frames, self._passed, self._begun_s = 0.0, 0, 0, None
