"""Geometry of boxes: x1, y1, x2, y2 in pixels, float32, as MTCNN counts them."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]  # (n, 4): x1, y1, x2, y2


def suppress(
    boxes: Boxes,
    probabilities: NDArray[np.float32],
    limit: float,
    *,
    over: Literal["union", "smaller"] = "union",
) -> NDArray[np.intp]:
    """Keep the more probable of boxes that overlap: non-maximum suppression.

    Ties matter, since probabilities saturate at 1.0: over the union, the earlier box comes first,
    as in torchvision's stable sort; over the smaller, the later one, as in facenet-pytorch's own.

    Args:
        boxes: (n, 4).
        probabilities: (n,). Sort by these and not by logits: what saturates is a tie there only.
        limit: The greatest overlap that two kept boxes may have.
        over: What the intersection is divided by. Over the smaller box, widths count both ends.

    Returns:
        Indices of the kept boxes, most probable first.

    Source: torchvision.ops.nms; facenet-pytorch, `nms_numpy`.
    """
    order: NDArray[np.intp]
    zero = np.float32(0)
    if over == "union":
        end, order = np.float32(0), np.argsort(-probabilities, kind="stable")
    else:
        end, order = np.float32(1), np.argsort(probabilities, kind="stable")[::-1]
    columns = boxes[order].T  # x1, y1, x2, y2 of what is left, most probable first
    area = (columns[2] - columns[0] + end) * (columns[3] - columns[1] + end)
    columns = np.concatenate([columns, area[None]])
    kept: list[np.intp] = []
    with np.errstate(invalid="ignore", divide="ignore"):  # boxes without extent
        while order.size:
            kept.append(order[0])
            x1, y1, x2, y2, own = columns[:, 0]
            order, columns = order[1:], columns[:, 1:]
            width = np.minimum(columns[2], x2) - np.maximum(columns[0], x1) + end
            height = np.minimum(columns[3], y2) - np.maximum(columns[1], y1) + end
            inter = np.maximum(width, zero) * np.maximum(height, zero)
            whole = columns[4] + own - inter if over == "union" else np.minimum(columns[4], own)
            stays = ~(inter / whole > np.float32(limit))
            order, columns = order[stays], columns[:, stays]
    return np.array(kept, dtype=np.intp)


def regressed(boxes: Boxes, shifts: NDArray[np.float32]) -> Boxes:
    """Move each edge by its share of the box's side, both ends counted."""
    sides = boxes[:, 2:] - boxes[:, :2] + np.float32(1)
    return boxes + shifts * np.tile(sides, 2)


def squared(boxes: Boxes) -> Boxes:
    """The squares around the same centres, with the longer sides."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longer = sides.max(axis=1, keepdims=True)
    low = boxes[:, :2] + sides * np.float32(0.5) - longer * np.float32(0.5)
    return np.concatenate([low, low + longer], axis=1)


def within(boxes: Boxes, width: int, height: int) -> NDArray[np.int64]:
    """Whole pixels of *boxes* inside a frame: x1, y1, x2, y2, the last two exclusive.

    MTCNN counts pixels from 1, so x1 = 1 is column 0; fractions are cut off towards zero. A box
    that lies outside comes back empty or inverted.

    Source: facenet-pytorch, `pad` and the slices taken with what it returns.
    """
    whole = boxes.astype(np.int64)
    low = np.maximum(whole[:, :2], 1) - 1
    high = np.minimum(whole[:, 2:], np.array([width, height]))
    return np.concatenate([low, high], axis=1)
