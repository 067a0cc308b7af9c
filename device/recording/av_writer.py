"""Frames to H.264, by x264 in PyAV."""

from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import PictureType
from av.video.stream import VideoStream

from device.recording.mp4 import TICKS, Mp4, translated
from device.recording.planes import Planes
from device.recording.settings import RecordingSettings
from device.recording.writer import Unit

# The camera's picture as television has it, and players take it to be if nobody says: BT.601 (as
# OpenCV converts it), with luminance from 16 to 235.
_BT_601, _MPEG_RANGE = 6, 1
_LONGEST_GROUP = 1 << 20  # frames, as the rate is not known; we ask for key frames by time
KEY_S = 2.0  # between key frames: players jump from one to the next


class AvWriter:
    """See `device.recording.writer.Writer`.

    Each segment has an encoder of its own (1 ms to make), so each stands alone. It holds no frame
    back, so what was written is in the file when the process is killed, by and large.
    """

    def __init__(self, path: Path, first: Unit[Planes], settings: RecordingSettings) -> None:
        """Begin a file of frames as large as *first*."""
        self._key_s = first.at_s
        rows, columns = first.data.shape[0] * 2 // 3, first.data.shape[1]
        with translated():
            self._mp4 = Mp4(path, first.at_s)
            try:
                self._stream = self._mp4.track(self._encoder(settings, columns, rows))
            except BaseException:
                self._mp4.discard()
                raise

    def write(self, unit: Unit[Planes]) -> None:
        """See `Writer.write`."""
        frame = av.VideoFrame.from_ndarray(unit.data, format="yuv420p")
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
