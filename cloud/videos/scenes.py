"""Where one scene of a film ends and the next begins."""

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

_WIDTH, _HEIGHT = 64, 36  # small enough that noise and a hand's shake are averaged away


class SceneChanges:
    """Measures how much each frame differs from the one before.

    A cut is a difference that was not there between the two frames before it: who walks through
    the picture, or a camera that pans, makes a steady difference, which is none.

    Source: FFmpeg, libavfilter/f_select.c, `get_scene_score`; there on pictures of full size.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._last: NDArray[np.int16] | None = None
        self._difference = 0.0

    def score(self, frame: av.VideoFrame) -> float:
        """Tell by how much *frame* begins a new scene: 0 to 1, and 1 for the very first."""
        small = self._reformatter.reformat(
            frame, _WIDTH, _HEIGHT, "gray", interpolation=Interpolation.AREA, threads=1
        )
        grey = small.to_ndarray().astype(np.int16)
        last, self._last = self._last, grey
        if last is None:
            return 1.0
        before, self._difference = self._difference, float(np.abs(grey - last).mean())
        return min(self._difference, abs(self._difference - before), 100.0) / 100
