"""Geometry of boxes: x1, y1, x2, y2 in pixels, float32, as MTCNN counts them."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]  # (n, 4): x1, y1, x2, y2

_BLOCK = 512  # boxes compared with one another at once: a matrix of 1 MB


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
    if over == "union":
        end, order = np.float32(0), np.argsort(-probabilities, kind="stable")
    else:
        end, order = np.float32(1), np.argsort(probabilities, kind="stable")[::-1]
    # Most probable first, as rows x1, y1, x2, y2, area.
    columns = np.empty((5, len(order)), dtype=np.float32)
    columns[:4] = boxes[order].T
    columns[4] = (columns[2] - columns[0] + end) * (columns[3] - columns[1] + end)
    kept = columns[:, :0]
    kept_order: list[NDArray[np.intp]] = []
    for start in range(0, len(order), _BLOCK):
        block, indices = columns[:, start : start + _BLOCK], order[start : start + _BLOCK]
        if start:
            free = ~_overlap(kept, block, limit, end, over).any(axis=0)
            block, indices = block[:, free], indices[free]
        stays = _greedily(_overlap(block, block, limit, end, over))
        kept = np.concatenate([kept, block[:, stays]], axis=1) if start else block[:, stays]
        kept_order.append(indices[stays])
    return np.concatenate(kept_order) if kept_order else order


def _overlap(
    some: Boxes, others: Boxes, limit: float, end: np.float32, over: Literal["union", "smaller"]
) -> NDArray[np.bool_]:
    """Whether each of *some* (5, n) overlaps each of *others* (5, m) too much: (n, m)."""
    x1, y1, x2, y2, area = some[:, :, None]
    inter = np.minimum(x2, others[2])
    inter -= np.maximum(x1, others[0])
    height = np.minimum(y2, others[3])
    height -= np.maximum(y1, others[1])
    if end:
        inter += end
        height += end
    np.maximum(inter, 0, out=inter)
    np.maximum(height, 0, out=height)
    inter *= height
    if over == "union":
        whole = np.add(area, others[4], out=height)
        whole -= inter
    else:
        whole = np.minimum(area, others[4], out=height)
    with np.errstate(invalid="ignore", divide="ignore"):  # boxes without extent
        inter /= whole
    too_much: NDArray[np.bool_] = inter > np.float32(limit)
    return too_much


def _greedily(overlap: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which boxes the greedy rule keeps, given whether each overlaps each, best first: (n,).

    All at once instead of one after the other: a box stays as soon as every better one that it
    overlaps is out, and is out as soon as one of them stays. So many rounds are needed as boxes
    hang on one another in a chain, which is a handful.
    """
    better = np.triu(overlap, 1)  # better[i, j]: i comes before j, and they overlap
    stays = np.logical_not(better.any(axis=0))
    open_ = np.logical_not(stays)
    open_ &= ~better[stays].any(axis=0)
    while open_.any():
        undecided = np.flatnonzero(open_)
        among = better[np.ix_(undecided, undecided)]
        now = undecided[~among.any(axis=0)]
        stays[now] = True
        open_[now] = False
        open_ &= ~better[now].any(axis=0)
    return stays


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
