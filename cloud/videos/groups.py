"""Groups of pictures: at the begin of one, nothing before it is needed any more.

That a packet is a key frame says less: of a film that is refreshed stripe by stripe it begins
nothing that can be looked at yet.
"""

import av
from av.video.stream import VideoStream

# The types of slices in a stream's units, as the first byte of each has them, and those of pictures
# that all later ones can do with. Sources: ITU-T H.264, 7.4.1; H.265, 7.4.2.2.
_SLICES = {"h264": range(1, 6), "hevc": range(32)}
_BEGINS = {"h264": range(5, 6), "hevc": range(16, 22)}
_START = b"\0\0\1"


class Groups:
    """Knows where the groups of one stream begin."""

    def __init__(self, stream: VideoStream) -> None:
        self._codec = stream.codec_context.name
        self._length_bytes = _length_bytes(stream.codec_context.extradata or b"", self._codec)

    @property
    def are_known(self) -> bool:
        """Whether it can be told at all."""
        return self._codec in _BEGINS

    def begins(self, packet: "av.Packet[VideoStream]") -> bool:
        """Tell whether one begins with *packet*: by its first slice."""
        if not self.are_known or not packet.is_keyframe:
            return False
        data, at = bytes(packet), 0
        while (at := self._unit(data, at)) < len(data):
            kind = data[at] & 31 if self._codec == "h264" else data[at] >> 1 & 63
            if kind in _SLICES[self._codec]:
                return kind in _BEGINS[self._codec]
            at = self._end(data, at)
        return False

    def _unit(self, data: bytes, at: int) -> int:
        """Find the first byte of the unit that begins at *at* or behind it."""
        if self._length_bytes:
            return at + self._length_bytes
        found = data.find(_START, at)
        return len(data) if found < 0 else found + len(_START)

    def _end(self, data: bytes, at: int) -> int:
        """Find where the unit ends whose first byte is at *at*."""
        if self._length_bytes:
            return at + int.from_bytes(data[at - self._length_bytes : at], "big")
        return at


def _length_bytes(extradata: bytes, codec: str) -> int:
    """Tell how many bytes say how long a unit is; 0: each has a mark before it instead.

    Source: ISO/IEC 14496-15, `lengthSizeMinusOne` of avcC and hvcC.
    """
    at = 4 if codec == "h264" else 21
    return (extradata[at] & 3) + 1 if extradata[:1] == b"\1" and len(extradata) > at else 0
