"""Packets of H.264, as the Pi's encoder gives them, into MP4; nothing is encoded again."""

import io
from fractions import Fraction
from pathlib import Path

import av

from device.recording.mp4 import TICKS, Mp4, translated
from device.recording.writer import Unit


class PiWriter:
    """See `device.recording.writer.Writer`. The first packet holds the stream's parameter sets."""

    def __init__(self, path: Path, first: Unit[bytes]) -> None:
        with translated(), av.open(io.BytesIO(first.data), format="h264") as parsed:
            self._mp4 = Mp4(path, first.at_s)
            try:
                given = parsed.streams.video[0]
                stream = self._mp4.container.add_stream_from_template(given)
                self._stream = self._mp4.track(stream)
            except BaseException:
                self._mp4.discard()
                raise

    def write(self, unit: Unit[bytes]) -> None:
        """See `Writer.write`."""
        packet = av.Packet(unit.data)
        packet.stream = self._stream
        packet.time_base = Fraction(1, TICKS)
        packet.pts = packet.dts = self._mp4.ticks(unit.at_s)  # it knows no frames out of order
        packet.is_keyframe = unit.key
        self._mp4.put(packet)

    def close(self, until_s: float | None) -> None:
        """See `Writer.close`."""
        self._mp4.close(until_s)

    def discard(self) -> None:
        """See `Writer.discard`."""
        self._mp4.discard()
