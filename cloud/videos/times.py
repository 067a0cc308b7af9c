"""When each frame of a film is shown."""

from fractions import Fraction

import av
from av.video.stream import VideoStream

from cloud.videos.damage import Damage

USUAL_RATE = Fraction(25)  # frames a second, of a stream that has no times and names no rate
_LEAP_BACK_MS, _LEAP_AHEAD_MS = 1000, 24 * 3600 * 1000


class Times:
    """Gives the offset of frames, in the order in which they are shown, from the first one's.

    A file has two time stamps for a frame: for when it is shown, which some formats lack or get
    wrong, and for when it is decoded. The better ones count.
    Source: FFmpeg, libavcodec/decode.c, `guess_correct_pts`.
    """

    def __init__(self, stream: VideoStream, damage: Damage) -> None:
        self._tick_ms = 1000 * (stream.time_base or Fraction(1, 90_000))
        self._rate = rate(stream)
        self._damage = damage
        self._counted: int | None = None  # frames so far, where there are no stamps at all
        self._faulty_pts = self._faulty_dts = 0
        self._lacks_pts = False
        self._last_pts: int | None = None
        self._last_dts: int | None = None
        self._start: int | None = None  # the stamp that is offset 0
        self._put_ms = 0  # behind where the stamps say
        self.last_ms = -1  # the offset of the last frame; -1 before the first

    @property
    def period_ms(self) -> int:
        """How long a frame is shown, by and large."""
        return max(1, round(1000 / self._rate))

    @property
    def are_stamped(self) -> bool:
        """Whether each frame bears the time at which it is shown, so that one may seek by it."""
        return self._start is not None and self._faulty_pts == 0 and not self._lacks_pts

    def stamp_at(self, offset_ms: float) -> int:
        """Give the stamp of a frame shown then. Only after the first frame."""
        return (self._start or 0) + int((offset_ms - self._put_ms) / self._tick_ms)

    def of_packet(self, packet: "av.Packet[VideoStream]") -> int | None:
        """Give the offset of the frame in *packet*, if it can be told before it is decoded."""
        if packet.pts is None or not self.are_stamped or self._put_ms:
            return None
        return self._offset_ms(packet.pts)

    def of_packet_number(self, number: int) -> int | None:
        """Give the offset of the frame in the packet *number*, from 0, where frames are counted.

        By and large: between the begins of two groups frames may be shown in another order.
        """
        return None if self._counted is None else round(number * 1000 / self._rate)

    def left_out_up_to(self, number: int) -> None:
        """Note that the next frame is that of the packet *number*, where frames are counted."""
        if self._counted is not None:
            self._counted = number - 1

    def of_frame(self, frame: av.VideoFrame) -> int:
        """Give the offset of the next frame, in whole milliseconds; it never decreases."""
        at_ms = self._guessed_ms(frame)
        if self.last_ms >= 0 and not (
            self.last_ms - _LEAP_BACK_MS <= at_ms <= self.last_ms + _LEAP_AHEAD_MS
        ):
            self._damage.leap(self.last_ms)
            self._put_ms += self.last_ms + self.period_ms - at_ms
            at_ms = self.last_ms + self.period_ms
        self.last_ms = max(at_ms, self.last_ms)
        return self.last_ms

    def lost(self) -> None:
        """Note that a packet gave no frame: where frames are counted, it counts, too."""
        if self._counted is not None:
            self._counted += 1

    def sought(self) -> None:
        """Note that the next frame may be any."""
        self.last_ms = -1
        self._last_pts = self._last_dts = None

    def _guessed_ms(self, frame: av.VideoFrame) -> int:
        stamp = self._best(frame.pts, frame.dts)
        if self._start is None and self._counted is None:  # the first
            self._start = stamp
            self._counted = -1 if stamp is None else None
        if self._counted is not None:
            self._counted += 1
            return round(self._counted * 1000 / self._rate)
        if stamp is None:
            return self.last_ms + self.period_ms
        return self._offset_ms(stamp) + self._put_ms

    def _offset_ms(self, stamp: int) -> int:
        return round((stamp - (self._start or 0)) * self._tick_ms)

    def _best(self, pts: int | None, dts: int | None) -> int | None:
        if dts is not None:
            self._faulty_dts += self._last_dts is not None and dts <= self._last_dts
            self._last_dts = dts
        elif pts is not None:
            self._last_dts = pts
        if pts is not None:
            self._faulty_pts += self._last_pts is not None and pts <= self._last_pts
            self._last_pts = pts
        elif dts is not None:
            self._last_pts = dts
        self._lacks_pts |= pts is None
        if pts is not None and (dts is None or self._faulty_pts <= self._faulty_dts):
            return pts
        return dts


def rate(stream: VideoStream) -> Fraction:
    """Tell how many frames a second *stream* has: by itself, else by its container, else 25."""
    for named in (stream.codec_context.framerate, stream.guessed_rate, stream.average_rate):
        if named is not None and Fraction(1, 100) <= named <= 1000:
            return named
    return USUAL_RATE
