"""Shrinking pictures and parts of them exactly as torch's "area" interpolation does.

That interpolation is adaptive average pooling: of n pixels, bin i of o is the plain mean of those
from floor(i n / o) up to ceil((i + 1) n / o), so that neighbouring bins overlap. MTCNN's weights
were trained and are published for it, and OpenCV's INTER_AREA, which weights the pixels at a bin's
edge instead, moves boxes by up to 40 px. All sums come from one integral image.

Source: torch.nn.functional.adaptive_avg_pool2d.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Planes = NDArray[np.float32]  # (n, 3, h, w), means of pixels: 0 to 255
Places = NDArray[np.int64]  # (n, count): rows or columns

_MOST = 16  # of a bin's side: 16 x 16 pixels of 255 are the most that 16 bits hold
_BAND = 64  # rows summed up at a time, which stay in the processor's cache


class Integral:
    """The integral image of a frame, modulo 2**16.

    A pixel of it is four uint16: three sums and one of padding. So it has 8 bytes, a size that
    `numpy.take` copies at once (as it does a uint64), which makes this faster than OpenCV's
    resizing. Sums wrap around, but a difference of them is right all the same if the bin's own sum
    is below 2**16; larger bins are put together of such.
    """

    def __init__(self, frame: NDArray[np.uint8]) -> None:
        """Sum up *frame*, (h, w, 3) uint8."""
        self.height, self.width = frame.shape[:2]
        sums = np.zeros((self.height + 1, self.width + 1, 4), dtype=np.uint16)
        for start in range(0, self.height, _BAND):
            rows = np.ascontiguousarray(frame[start : start + _BAND])
            band = cv2.integral(cv2.cvtColor(rows, cv2.COLOR_RGB2RGBA), sdepth=cv2.CV_32S)
            below = sums[start + 1 : start + 1 + len(rows)]
            below[...] = band[1:]
            below += sums[start]
        self._pixels: NDArray[np.uint64] = sums.view(np.uint64)[:, :, 0]  # (h + 1, w + 1)

    def resized(self, height: int, width: int, rows: slice = slice(None)) -> Planes:
        """The whole frame as (1, 3, height, width), or only those *rows* of it."""
        top, bottom = _bins(np.array([0]), np.array([self.height]), height)
        left, right = _bins(np.array([0]), np.array([self.width]), width)
        top, bottom = top[:, rows], bottom[:, rows]
        if max((bottom - top).max(), (right - left).max()) > _MOST:
            return _means(self._large(top, bottom, left, right), bottom - top, right - left)
        strips = _sums(self._pixels.take(bottom[0], axis=0))
        strips -= _sums(self._pixels.take(top[0], axis=0))
        wide = strips.view(np.uint64)
        sums = _sums(wide.take(right[0], axis=1))
        sums -= _sums(wide.take(left[0], axis=1))
        return _means(sums.reshape(1, -1, width, 4), bottom - top, right - left)

    def crops(self, boxes: NDArray[np.int64], size: int) -> Planes:
        """Parts of the frame, as (n, 3, size, size).

        Args:
            boxes: (n, 4), x1, y1, x2, y2 in pixels, the last two exclusive; not empty, and within
                the frame.
            size: Of a crop's side.
        """
        left, right = _bins(boxes[:, 0], boxes[:, 2], size)
        top, bottom = _bins(boxes[:, 1], boxes[:, 3], size)
        large = np.maximum(bottom - top, right - left).max(axis=1) > _MOST
        if not large.any():
            return self._small_crops(top, bottom, left, right)
        crops = np.empty((len(boxes), 3, size, size), dtype=np.float32)
        edges = top[large], bottom[large], left[large], right[large]
        crops[large] = _means(self._large(*edges), edges[1] - edges[0], edges[3] - edges[2])
        if not large.all():
            small = ~large
            crops[small] = self._small_crops(top[small], bottom[small], left[small], right[small])
        return crops

    def _small_crops(self, top: Places, bottom: Places, left: Places, right: Places) -> Planes:
        flat, stride = self._pixels.reshape(-1), self.width + 1
        above, below = (top * stride)[:, :, None], (bottom * stride)[:, :, None]
        sums = _sums(flat.take(below + right[:, None, :]))
        sums -= _sums(flat.take(below + left[:, None, :]))
        sums -= _sums(flat.take(above + right[:, None, :]))
        sums += _sums(flat.take(above + left[:, None, :]))
        return _means(sums.reshape(*above.shape[:2], -1, 4), bottom - top, right - left)

    def _large(self, top: Places, bottom: Places, left: Places, right: Places) -> NDArray[np.int32]:
        """Sums (n, h, w, 4) of bins of any size, each cut into parts of which none is too large."""
        y, x = _cuts(top, bottom) * (self.width + 1), _cuts(left, right)
        flat = self._pixels.reshape(-1)
        sums = np.zeros((*top.shape, 4 * left.shape[1]), dtype=np.int32)
        # Part by part and not at once: arrays with an axis as short as parts are slow to add up.
        for row in range(len(y) - 1):
            strip = None  # from the bin's left edge
            for column in range(len(x)):
                corner = _sums(flat.take(y[row + 1][:, :, None] + x[column][:, None, :]))
                corner -= _sums(flat.take(y[row][:, :, None] + x[column][:, None, :]))
                if strip is not None:
                    sums += corner - strip
                strip = corner
        return sums.reshape(*top.shape, -1, 4)


def _bins(start: NDArray[np.int64], stop: NDArray[np.int64], count: int) -> tuple[Places, Places]:
    """First pixel and one past the last of each of *count* bins, both (n, count)."""
    i = np.arange(count, dtype=np.int64)
    length = (stop - start)[:, None]
    first = i * length // count
    last = -(-(i + 1) * length // count)
    return start[:, None] + first, start[:, None] + last


def _cuts(first: Places, last: Places) -> NDArray[np.int64]:
    """Where to cut bins into equal parts of at most `_MOST` pixels: (parts + 1, n, count)."""
    parts = -(-int((last - first).max()) // _MOST)
    i = np.arange(parts + 1, dtype=np.int64)[:, None, None]
    return first + (last - first) * i // parts


def _sums(pixels: NDArray[np.uint64]) -> NDArray[np.uint16]:
    return pixels.view(np.uint16)


def _means(sums: NDArray[Any], heights: Places, widths: Places) -> Planes:
    """(n, h, w, 4) sums over bins of (n, h) by (n, w) pixels -> (n, 3, h, w) means."""
    n, height, width, _ = sums.shape
    areas = heights.astype(np.float32)[:, :, None] * widths.astype(np.float32)[:, None, :]
    means = np.empty((n, 3, height, width), dtype=np.float32)
    planes = cv2.split(sums.reshape(n * height, width, 4))  # at once, which strides are not
    for channel in range(3):
        plane = planes[channel].reshape(n, height, width)
        np.divide(plane, areas, out=means[:, channel], dtype=np.float32, casting="unsafe")
    return means
