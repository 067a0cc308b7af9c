"""A decoded frame as a picture: upright, in square pixels, no larger than wanted."""

from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]  # (h, w, 3), R, G, B
Turn = tuple[int, int, int, int]  # a, b, c, d: x' = a·x + c·y, y' = b·x + d·y

_MOST_STRETCHED = 4  # a pixel longer than that is an error in the file


class Upright:
    """Makes pictures of frames; what it needs for one size is kept for the next."""

    def __init__(self, longest_px: int) -> None:
        self._longest_px = longest_px
        self._reformatter = VideoReformatter()
        self._turns: dict[int, Turn] = {}  # by the angle alone

    def picture(self, frame: av.VideoFrame, pixel: Fraction | None) -> Rgb:
        """Scale, convert and turn *frame*; *pixel* is its pixels' width by their height.

        It is scaled before it becomes RGB and before it is turned, so of 8K there is never more
        than the decoder's own frame.

        Raises:
            av.FFmpegError: The frame is in a format that cannot become RGB.
        """
        width, height = square(frame.width, frame.height, pixel)
        shrink = min(1.0, self._longest_px / max(width, height))
        width, height = max(1, round(width * shrink)), max(1, round(height * shrink))
        same = (width, height) == (frame.width, frame.height)
        rgb = self._reformatter.reformat(
            frame,
            width,
            height,
            "rgb24",
            interpolation=Interpolation.BILINEAR if same else Interpolation.AREA,
            threads=1,
        )
        array: Rgb = rgb.to_ndarray()  # type: ignore[assignment]  # of bytes, for rgb24
        return turned(array, self._turn(frame))

    def _turn(self, frame: av.VideoFrame) -> Turn:
        # A frame whose matrix was read and its side data hold each other until the garbage
        # collector comes, which does not know that they are megabytes.
        if frame.rotation not in self._turns:
            self._turns[frame.rotation] = matrix(frame)
        return self._turns[frame.rotation]


def square(width: int, height: int, pixel: Fraction | None) -> tuple[int, int]:
    """Give the size in square pixels, of which there are never fewer."""
    if pixel is None or not Fraction(1, _MOST_STRETCHED) <= pixel <= _MOST_STRETCHED:
        return width, height
    if pixel >= 1:
        return round(width * pixel), height
    return width, round(height / pixel)


def matrix(frame: av.VideoFrame) -> Turn:
    """Read how a frame is to be turned.

    Source: ISO/IEC 14496-12, the matrix of `tkhd`; FFmpeg, libavutil/display.h.
    """
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":  # type: ignore[attr-defined]
            values: Sequence[int] = np.frombuffer(bytes(data), "<i4").tolist()  # type: ignore[arg-type]
            return values[0], values[1], values[3], values[4]
    return 1, 0, 0, 1


def is_on_its_side(turn: Turn) -> bool:
    """Tell whether width and height are to be swapped."""
    a, b, c, d = map(abs, turn)
    return b + c > a + d


def turned(picture: Rgb, turn: Turn) -> Rgb:
    """Turn and mirror *picture*, by the quarter turn that is nearest."""
    a, b, c, d = turn
    if is_on_its_side(turn):
        picture = picture.transpose(1, 0, 2)
        mirrored, upside_down = c < 0, b < 0
    else:
        mirrored, upside_down = a < 0, d < 0
    if mirrored:
        picture = picture[:, ::-1]
    if upside_down:
        picture = picture[::-1]
    return np.ascontiguousarray(picture)
