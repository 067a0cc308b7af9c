"""Shrinking pictures and parts of them exactly as torch's "area" interpolation does.

That interpolation is adaptive average pooling: of n pixels, bin i of o is the plain mean of those
from floor(i n / o) up to ceil((i + 1) n / o), so that neighbouring bins overlap. MTCNN's weights
were trained and are published for it, and OpenCV's INTER_AREA, which weights the pixels at a bin's
edge instead, moves boxes by up to 40 px. All sums come from one integral image.

Source: torch.nn.functional.adaptive_avg_pool2d.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Planes = NDArray[np.float32]  # (n, 3, h, w), means of pixels: 0 to 255


class Integral:
    """The integral image of a frame.

    A pixel of it is four int32: three sums and one of padding. So it has 16 bytes, a size that
    `numpy.take` copies at once (as it does a complex128), which makes this faster than OpenCV's
    resizing. The sums wrap around in frames of more than 8 million pixels; differences of them,
    of which no bin's comes near 2**31, are right all the same.
    """

    def __init__(self, frame: NDArray[np.uint8]) -> None:
        """Sum up *frame*, (h, w, 3) uint8."""
        self.height, self.width = frame.shape[:2]
        padded = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2RGBA)
        self._sums = np.asarray(cv2.integral(padded, sdepth=cv2.CV_32S))  # (h + 1, w + 1, 4)
        self._pixels = self._sums.view(np.complex128)[:, :, 0]  # (h + 1, w + 1), 16 bytes each

    def resized(self, height: int, width: int) -> Planes:
        """The whole frame, as (1, 3, height, width)."""
        top, bottom = _bins(np.array([0]), np.array([self.height]), height)
        left, right = _bins(np.array([0]), np.array([self.width]), width)
        rows = _ints(self._pixels.take(bottom[0], axis=0))
        rows -= _ints(self._pixels.take(top[0], axis=0))
        strips = rows.view(np.complex128)
        sums = _ints(strips.take(right[0], axis=1))
        sums -= _ints(strips.take(left[0], axis=1))
        sums = sums.reshape(1, height, width, 4)
        return _means(sums, bottom - top, right - left)

    def crops(self, boxes: NDArray[np.int64], size: int) -> Planes:
        """Parts of the frame, as (n, 3, size, size).

        Args:
            boxes: (n, 4), x1, y1, x2, y2 in pixels, the last two exclusive; not empty, and within
                the frame.
            size: Of a crop's side.
        """
        left, right = _bins(boxes[:, 0], boxes[:, 2], size)
        top, bottom = _bins(boxes[:, 1], boxes[:, 3], size)
        flat, stride = self._pixels.reshape(-1), self.width + 1
        above, below = (top * stride)[:, :, None], (bottom * stride)[:, :, None]
        sums = _ints(flat.take(below + right[:, None, :]))
        sums -= _ints(flat.take(below + left[:, None, :]))
        sums -= _ints(flat.take(above + right[:, None, :]))
        sums += _ints(flat.take(above + left[:, None, :]))
        return _means(sums.reshape(len(boxes), size, size, 4), bottom - top, right - left)


def _bins(
    start: NDArray[np.int64], stop: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First pixel and one past the last of each of *count* bins, both (n, count)."""
    i = np.arange(count, dtype=np.int64)
    length = (stop - start)[:, None]
    first = i * length // count
    last = -(-(i + 1) * length // count)
    return start[:, None] + first, start[:, None] + last


def _ints(pixels: NDArray[np.complex128]) -> NDArray[np.int32]:
    return pixels.view(np.int32)


def _means(
    sums: NDArray[np.int32], heights: NDArray[np.int64], widths: NDArray[np.int64]
) -> Planes:
    """(n, h, w, 4) sums over bins of (n, h) by (n, w) pixels -> (n, 3, h, w) means."""
    areas = (heights[:, :, None] * widths[:, None, :]).astype(np.float32)
    means = np.empty((len(sums), 3, *sums.shape[1:3]), dtype=np.float32)
    for channel in range(3):
        np.divide(
            sums[..., channel], areas, out=means[:, channel], dtype=np.float32, casting="unsafe"
        )
    return means
