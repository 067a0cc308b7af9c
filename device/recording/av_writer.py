"""Frames to H.264, by x264 in PyAV."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.frame import PictureType
from av.video.stream import VideoStream
from numpy.typing import NDArray

from device import jpeg
from device.cameras.camera import Image
from device.recording.mp4 import TICKS, Mp4, translated
from device.recording.settings import RecordingSettings
from device.recording.writer import Unit

# The camera's picture as television has it, and players take it to be if nobody says: BT.601 (as
# OpenCV converts it), with luminance from 16 to 235.
_BT_601, _MPEG_RANGE = 6, 1
_LONGEST_GROUP = 1 << 20  # frames, as the rate is not known; we ask for key frames by time
KEY_S = 2.0  # between key frames: players jump from one to the next


class AvWriter:
    """See `device.recording.writer.Writer`. Frames larger than wanted are shrunk.

    Each segment has an encoder of its own (1 ms to make), so each stands alone. It holds no frame
    back, so what was written is in the file when the process is killed, by and large.
    """

    def __init__(
        self,
        path: Path,
        first: Unit[Image],
        settings: RecordingSettings,
        *,
        within: tuple[int, int],
    ) -> None:
        """Begin a file of frames that are shrunk to fit *within* a width and a height."""
        self._within = within
        self._key_s = first.at_s
        rows, columns = _even(jpeg.fit(first.data, *within)).shape[:2]
        with translated():
            self._mp4 = Mp4(path, first.at_s)
            try:
                self._stream = self._mp4.track(self._encoder(settings, columns, rows))
            except BaseException:
                self._mp4.discard()
                raise

    def write(self, unit: Unit[Image]) -> None:
        """See `Writer.write`."""
        yuv = _yuv(_even(jpeg.fit(unit.data, *self._within)))
        frame = av.VideoFrame.from_ndarray(yuv, format="yuv420p")
        frame.pts, frame.time_base = self._mp4.ticks(unit.at_s), Fraction(1, TICKS)
        frame.colorspace, frame.color_range = _BT_601, _MPEG_RANGE
        if unit.at_s - self._key_s >= KEY_S:
            self._key_s = unit.at_s
            frame.pict_type = PictureType.I
        self._encode(frame)

    def close(self, until_s: float | None) -> None:
        """See `Writer.close`."""
        self._encode(None)
        self._mp4.close(until_s)

    def discard(self) -> None:
        """See `Writer.discard`."""
        self._mp4.discard()

    def _encode(self, frame: av.VideoFrame | None) -> None:
        with translated():
            for packet in self._stream.encode(frame):
                self._mp4.put(packet)

    def _encoder(self, settings: RecordingSettings, width: int, height: int) -> VideoStream:
        options = {
            "preset": settings.preset,
            "tune": "zerolatency",  # no frame waits in the encoder for a later one
            "crf": str(settings.crf),
            "maxrate": str(settings.bitrate),
            "bufsize": str(settings.bitrate * 2),
        }
        stream = self._mp4.container.add_stream("libx264", options=options)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base = Fraction(1, TICKS)
        context.gop_size = _LONGEST_GROUP
        context.thread_count = settings.threads
        context.colorspace, context.color_range = _BT_601, _MPEG_RANGE
        return stream


def _even(image: Image) -> Image:
    """Crop to even numbers of rows and columns, 2 at least: colour has half of each."""
    rows, columns = image.shape[:2]
    if rows < 2 or columns < 2:
        image = cv2.resize(image, (max(2, columns), max(2, rows)))  # type: ignore[assignment]
        rows, columns = image.shape[:2]
    return image[: rows & ~1, : columns & ~1]


def _yuv(image: Image) -> NDArray[np.uint8]:
    """Convert B, G, R to planes of Y, U and V, one above the other: (height × 3 / 2, width)."""
    yuv: NDArray[np.uint8] = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)  # type: ignore[assignment]
    return yuv
