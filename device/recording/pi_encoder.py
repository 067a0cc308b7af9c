"""The Pi's own encoder of H.264, by picamera2: its packets to a recorder.

On a Pi 5, which has none, picamera2 takes x264 in its place; here that is all the same.
"""

import math
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from device.clock import utc_now
from device.recording.recorder import Recorder
from device.recording.settings import RecordingSettings
from device.recording.writer import Unit

FPS = 30  # of picamera2's video configuration
GROUP_S = 2.0  # between key frames, at most
_PLAUSIBLE_S = 5.0


class PiEncoder:
    """Encodes what a picamera2 camera sees, in threads of that."""

    def __init__(
        self,
        recorder: Recorder[bytes],
        settings: RecordingSettings,
        *,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recorder = recorder
        self._settings = settings
        self._now, self._clock = now, clock
        self._encoder: Any = None
        self._offset_s: float | None = None  # of packets' time stamps to the monotonic clock

    def look(self, camera: Any) -> None:
        """Have *camera*, a running `Picamera2`, encode if that is to be recorded, and else not.

        Raises:
            RuntimeError: Of picamera2; another program has the encoder, say.
        """
        if self._recorder.wanted and self._encoder is None:
            self._start(camera)
        elif not self._recorder.wanted:
            self.stop(camera)

    def stop(self, camera: Any) -> None:
        """Stop, if it is running."""
        if self._encoder is not None:
            encoder, self._encoder = self._encoder, None
            camera.stop_encoder(encoder)

    def _start(self, camera: Any) -> None:
        # From apt, as the camera's; elsewhere than on a Pi nobody has it.
        from picamera2.encoders import H264Encoder
        from picamera2.outputs import Output

        take = self._take

        class Packets(Output):  # type: ignore[misc]
            """What picamera2 gives packets to."""

            def outputframe(
                self,
                frame: bytes,
                keyframe: bool = True,
                timestamp: int | None = None,
                *_: object,  # newer ones give more
                **__: object,
            ) -> None:
                take(bytes(frame), keyframe, timestamp)

        self._offset_s = None
        self._encoder = H264Encoder(
            bitrate=self._settings.bitrate,
            repeat=True,  # of the parameter sets: each segment stands alone
            iperiod=group_frames(self._settings.segment_s),
        )
        try:
            camera.start_encoder(self._encoder, Packets())
        except BaseException:
            self._encoder = None
            raise

    def _take(self, data: bytes, key: bool, timestamp_us: int | None) -> None:
        at_s = self._at_s(timestamp_us)
        at = self._now() - timedelta(seconds=self._clock() - at_s)
        self._recorder.offer(Unit(data=data, at=at, at_s=at_s, size=len(data), key=key))

    def _at_s(self, timestamp_us: int | None) -> float:
        """Turn a time stamp, which begins at 0, into the monotonic clock, as the sensor's does."""
        if timestamp_us is None:
            return self._clock()
        if self._offset_s is None:
            first_us = getattr(self._encoder, "firsttimestamp", None)
            latest_s = self._clock() - timestamp_us / 1e6
            self._offset_s = latest_s if first_us is None else first_us / 1e6
            if abs(latest_s - self._offset_s) > _PLAUSIBLE_S:
                self._offset_s = latest_s
        return self._offset_s + timestamp_us / 1e6


def group_frames(segment_s: float) -> int:
    """Say after how many frames to have a key frame, so that one falls on each segment's end."""
    groups = math.ceil(segment_s / GROUP_S)
    return math.ceil(round(segment_s * FPS) / groups)
