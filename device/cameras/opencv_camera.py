"""Cameras that OpenCV reads live: on USB, or on the network by RTSP or HTTP."""

import math
import re
import sys
import time
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import cv2

from device.cameras.camera import Captured, Image, Pace
from device.clock import utc_now
from sightline.errors import CameraError, ConfigError

_DAMAGED = 60  # frames in a row that cannot be decoded, and then it is not worth the while


class LiveCamera:
    """A camera that gives frames by itself, at its own rate. See `device.cameras.camera.Camera`.

    Frames before the wanted one are taken off the buffer undecoded (`grab`), as fast as they come.
    """

    def __init__(
        self,
        source: str,
        *,
        width: int,
        height: int,
        timeout_s: float = 10.0,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare *source*: "usb:0", "rtsp://…" or "http://…".

        Raises:
            ConfigError: *source* is none of these.
        """
        self._target = _target(source)
        self._name = f"camera source {without_password(source)}"
        self._size = (width, height)
        self._timeout_ms = round(timeout_s * 1000)
        # The driver of a USB camera has a time-out of its own, and keeps nothing back.
        self._silence_s = math.inf if isinstance(self._target, int) else self._timeout_ms / 1000
        self._now = now
        self._clock = clock
        self._video: cv2.VideoCapture | None = None

    def __enter__(self) -> Self:
        self._video = self._open()
        if not self._video.isOpened():
            raise CameraError(f"{self._name}: {self._mend()}")
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
        """See `device.cameras.camera.Camera.capture`; a live camera has no orderly end."""
        assert self._video is not None, "a camera is open from __enter__ to __exit__"  # noqa: S101
        undecodable = 0
        while undecodable < _DAMAGED:
            self._grab(self._video)
            captured_at, captured_s = self._now(), self._clock()
            if pace.remaining_s() > 0:
                continue
            done, image = self._video.retrieve()
            if done:
                return Captured(
                    image=_colour(image),  # type: ignore[arg-type]
                    captured_at=captured_at,
                    captured_s=captured_s,
                )
            undecodable += 1
        raise CameraError(f"{self._name}: its frames cannot be decoded, {_DAMAGED} in a row")

    def _grab(self, video: cv2.VideoCapture) -> None:
        """Go on to the next frame; one that came damaged is no end of the stream."""
        begun_s = time.monotonic()
        for _ in range(_DAMAGED):
            asked_s = time.monotonic()
            given = video.grab()
            now_s = time.monotonic()
            # At its time-out OpenCV gives, one at each, what the decoder had kept back: frames from
            # before the silence, which would pass for new ones and put off the end.
            if given and now_s - asked_s < self._silence_s:
                return
            if now_s - begun_s > self._timeout_ms / 2000:
                break  # it was waited for
        raise CameraError(f"{self._name}: it has stopped giving frames")

    def _open(self) -> cv2.VideoCapture:
        if isinstance(self._target, int):
            api = cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY
            video = cv2.VideoCapture(self._target, api)
            # Uncompressed 1280 x 720 is more than USB 2 carries at a useful rate.
            video.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
            video.set(cv2.CAP_PROP_FRAME_WIDTH, self._size[0])
            video.set(cv2.CAP_PROP_FRAME_HEIGHT, self._size[1])
            video.set(cv2.CAP_PROP_BUFFERSIZE, 1)
            return video
        # OpenCV's own time-out is 30 s, for opening and for each frame.
        limits = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
            self._timeout_ms,
            cv2.CAP_PROP_READ_TIMEOUT_MSEC,
            self._timeout_ms,
        ]
        return cv2.VideoCapture(self._target, cv2.CAP_FFMPEG, limits)

    def _mend(self) -> str:
        if isinstance(self._target, int):
            return "there is no such camera, or another program has it; `v4l2-ctl --list-devices`"
        return (
            f"it gives no video (waited for up to {self._timeout_ms / 1000:g} s); "
            "is the address right, and the camera on?"
        )


def without_password(source: str) -> str:
    """Write an address so that it can be logged: user and password are left out."""
    try:
        address = urlsplit(source)
        if address.username is None and address.password is None:
            return source
        return address._replace(netloc="…@" + address.netloc.rpartition("@")[2]).geturl()
    except ValueError:
        return re.sub(r"//.*@", "//…@", source)


def _target(source: str) -> int | str:
    if re.fullmatch(r"usb:\d{1,3}", source):
        return int(source.removeprefix("usb:"))
    if re.fullmatch(r"(rtsps?|https?)://[^/\s].*", source):
        return source
    raise ConfigError(
        f"camera source {without_password(source)}: expected "
        '"picamera2", "usb:NUMBER", "rtsp://…", "http://…" or the path of a clip or a folder'
    )


def _colour(image: Image) -> Image:
    return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 else image  # type: ignore[return-value]
