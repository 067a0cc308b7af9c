"""The Raspberry Pi's own camera, by picamera2."""

import time
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from device.camera import Captured, Image, Pace
from device.clock import utc_now
from sightline.errors import CameraError, ConfigError

_ELSE = "or give --camera usb:0, rtsp://…, a clip or a folder"


class PiCamera:
    """See `device.camera.Camera`."""

    def __init__(
        self,
        *,
        width: int,
        height: int,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._size = (width, height)
        self._now = now
        self._clock = clock
        self._camera: Any = None

    def __enter__(self) -> Self:
        try:
            # From apt, so that it matches the system's libcamera; it is on no package index. Not
            # at the top of the module: elsewhere than on a Pi nobody has it, or needs it.
            from picamera2 import Picamera2
        except ImportError as err:
            raise ConfigError(
                f"camera source picamera2: {err}; `sudo apt install python3-picamera2`, and make "
                f"the virtual environment with --system-site-packages; {_ELSE}"
            ) from err
        except ValueError as err:  # "numpy.dtype size changed, may indicate binary incompatibility"
            raise ConfigError(
                f"camera source picamera2: {err}; it was built for apt's numpy, and another is in "
                "the way: make the virtual environment with --system-site-packages, and install no "
                f"numpy or opencv from pip over apt's (`pip uninstall numpy`); {_ELSE}"
            ) from err
        try:
            self._camera = Picamera2()
            # libcamera names a format by the bits of a word: its RGB888 is B, G, R in memory.
            # Source: picamera2 issue 843.
            main = {"format": "RGB888", "size": self._size}
            self._camera.configure(self._camera.create_video_configuration(main))
            self._camera.start()
        except (IndexError, RuntimeError) as err:  # IndexError is how it says it found none
            self._close()
            raise CameraError(
                "camera source picamera2: no camera, or another program has it; "
                "see `rpicam-hello --list-cameras`"
            ) from err
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._close()

    def capture(self, pace: Pace) -> Captured | None:
        """See `device.camera.Camera.capture`; libcamera itself throws old frames away."""
        while (remaining_s := pace.remaining_s()) > 0:
            pace.pause(remaining_s)
        try:
            image: Image = self._camera.capture_array("main")
        except RuntimeError as err:
            raise CameraError(f"camera source picamera2: it has stopped: {err}") from err
        return Captured(image=image, captured_at=self._now(), captured_s=self._clock())

    def _close(self) -> None:
        if self._camera is not None:
            self._camera.close()
            self._camera = None
