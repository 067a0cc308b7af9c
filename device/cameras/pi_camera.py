"""The Raspberry Pi's own camera, by picamera2."""

import contextlib
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from device.cameras.camera import Captured, Image, Pace
from device.clock import utc_now
from device.recording.pi_encoder import PiEncoder
from sightline.errors import CameraError, ConfigError

_ELSE = "or give --camera usb:0, rtsp://…, a clip or a folder"


_PLAUSIBLE_S = 5.0  # from the sensor to us


class PiCamera:
    """See `device.cameras.camera.Camera`. Where it is recorded, frames go to the encoder, too."""

    def __init__(
        self,
        *,
        width: int,
        height: int,
        encoder: PiEncoder | None = None,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._size = (width, height)
        self._encoder = encoder
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
        """See `device.cameras.camera.Camera.capture`; libcamera itself throws old frames away."""
        try:
            if self._encoder is not None:
                self._encoder.look(self._camera)
            while (remaining_s := pace.remaining_s()) > 0:
                pace.pause(remaining_s)
            if self._encoder is not None:
                return self._exactly()
            image: Image = self._camera.capture_array("main")
        except (RuntimeError, OSError) as err:  # OSError: /dev/video11, if another encodes
            raise CameraError(f"camera source picamera2: it has stopped: {err}") from err
        return Captured(image=image, captured_at=self._now(), captured_s=self._clock())

    def _exactly(self) -> Captured:
        """Take a frame with the sensor's own time, by which it is found in the video."""
        request = self._camera.capture_request()
        try:
            image: Image = request.make_array("main")
            sensor_ns = request.get_metadata().get("SensorTimestamp")
        finally:
            request.release()
        now_s = self._clock()
        late_s = 0.0 if sensor_ns is None else now_s - sensor_ns / 1e9
        if not 0 <= late_s <= _PLAUSIBLE_S:
            late_s = 0.0
        return Captured(
            image=image,
            captured_at=self._now() - timedelta(seconds=late_s),
            captured_s=now_s - late_s,
        )

    def _close(self) -> None:
        if self._camera is not None:
            if self._encoder is not None:
                with contextlib.suppress(RuntimeError, OSError):  # it is going anyway
                    self._encoder.stop(self._camera)
            self._camera.close()
            self._camera = None
