"""A folder of pictures as a camera."""

import logging
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2

from device.cameras.camera import Captured, Image, Pace
from device.clock import utc_now
from sightline.errors import CameraError, ConfigError

log = logging.getLogger(__name__)

ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


class FolderCamera:
    """Give each picture in a folder once, in the order of their names: a `Camera`.

    Pictures are turned as their EXIF says. One that cannot be read is named and passed over.
    """

    def __init__(
        self,
        folder: Path,
        *,
        loop: bool = False,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._loop = loop
        self._now = now
        self._clock = clock
        self._images: Iterator[Image] = iter(())

    def __enter__(self) -> Self:
        try:
            if not self._pictures():
                raise ConfigError(
                    f"camera source {self._folder}: there are no pictures in this folder "
                    f"({' '.join(sorted(ENDINGS))})"
                )
        except OSError as err:
            raise ConfigError(f"camera source {self._folder}: {err.strerror or err}") from err
        self._images = self._play()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._images = iter(())

    def capture(self, pace: Pace) -> Captured | None:
        """See `device.cameras.camera.Camera.capture`."""
        while (remaining_s := pace.remaining_s()) > 0:
            pace.pause(remaining_s)
        image = next(self._images, None)
        if image is None:
            return None
        return Captured(image=image, captured_at=self._now(), captured_s=self._clock())

    def _play(self) -> Iterator[Image]:
        while True:
            readable = False
            for path in self._pictures():
                image = _read(path)
                if image is None:
                    log.warning("passed over %s: it cannot be read as a picture", path)
                    continue
                readable = True
                yield image
            if not readable:
                raise CameraError(f"camera source {self._folder}: no picture in it can be read")
            if not self._loop:
                return

    def _pictures(self) -> list[Path]:
        return sorted(path for path in self._folder.iterdir() if path.suffix.lower() in ENDINGS)


def _read(path: Path) -> Image | None:
    try:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    except cv2.error:  # over OpenCV's own bound of pixels
        return None
    return image  # type: ignore[return-value]
