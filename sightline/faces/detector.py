"""Finding faces and their landmarks: MTCNN, as facenet-pytorch publishes it, without torch.

Three networks look at ever fewer candidates ever more closely: PNet at all places and sizes of
the frame, RNet at crops of 24 x 24 px, ONet at crops of 48 x 48 px.

Source: Zhang et al., "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional
Networks", 2016; facenet-pytorch 2.5.3, `MTCNN.detect`, to which this is equal up to rounding.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sightline.errors import ModelError
from sightline.faces.area import Integral
from sightline.faces.boxes import Boxes, regressed, squared, suppress, within
from sightline.faces.image import Frame
from sightline.faces.sessions import Session, read_checked

SMALLEST_FACE_PX = 40  # below it recognition falls off, and detection costs twice as much

# What a photograph gives PNet: 80 candidates, a crowd 1,700. Noise made to be expensive gives
# tens of thousands, of which only the most probable are followed up.
MOST_CANDIDATES = 2000

_MODELS = Path(__file__).parent / "models"
_CELL_PX, _STRIDE_PX = 12, 2  # what one output of PNet looks at, and how far apart they are
_FACTOR = 0.709  # from one level of the pyramid to the next; about the square root of 1/2
_PNET_LIMIT, _RNET_LIMIT, _ONET_LIMIT = np.float32(0.6), np.float32(0.7), np.float32(0.7)
_STRIP_PX = 50_000  # about what PNet looks at at a time

# Crops at a time, by their side: what a network makes of more would not stay in the processor's
# cache, which costs a fifth.
_BATCHES = {24: 32, 48: 8}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detections:
    """The faces of a frame, the largest box first, as facenet-pytorch orders them."""

    boxes: Boxes  # (n, 4) float32: x1, y1, x2, y2 in pixels; may reach out of the frame
    probabilities: NDArray[np.float32]  # (n,)
    landmarks: NDArray[np.float32]  # (n, 5, 2): x, y of left eye, right eye, nose, mouth corners

    def __post_init__(self) -> None:
        n = len(self.boxes)
        shapes = self.boxes.shape, self.probabilities.shape, self.landmarks.shape
        if shapes != ((n, 4), (n,), (n, 5, 2)):
            raise ValueError(f"shapes {shapes} are not those of {n} detections")

    def taken(self, which: NDArray[np.bool_]) -> "Detections":
        """Take those that *which* (n,) is true for."""
        return Detections(
            boxes=self.boxes[which],
            probabilities=self.probabilities[which],
            landmarks=self.landmarks[which],
        )

    def __len__(self) -> int:
        return len(self.boxes)


class Detector:
    """MTCNN. May be shared by threads."""

    def __init__(self, *, smallest_face_px: int = SMALLEST_FACE_PX, threads: int = 1) -> None:
        """Load the networks.

        Args:
            smallest_face_px: The side of the smallest face to look for, 12 or more.
            threads: Processor cores to use.

        Raises:
            ModelError: A file of the networks is missing or damaged.
        """
        if smallest_face_px < _CELL_PX:
            raise ValueError(f"smallest_face_px {smallest_face_px} is less than {_CELL_PX}")
        self._first_scale = _CELL_PX / smallest_face_px
        self._pnet, self._rnet, self._onet = load_networks(threads=threads)

    def detect(self, frame: Frame) -> Detections:
        """Find the faces in *frame*."""
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise ValueError(f"a {frame.dtype} array of {frame.shape} is no frame")
        scales = self._scales(min(frame.shape[:2]))
        if not scales:
            return _nothing()
        integral = Integral(frame)
        boxes = self._proposed(integral, scales)
        boxes = self._refined(integral, boxes)
        return self._final(integral, boxes)

    def _scales(self, shorter_side_px: int) -> list[float]:
        scales, scale, side = [], self._first_scale, shorter_side_px * self._first_scale
        while side >= _CELL_PX:
            scales.append(scale)
            scale, side = scale * _FACTOR, side * _FACTOR
        return scales

    def _proposed(self, integral: Integral, scales: list[float]) -> Boxes:
        """PNet's squares."""
        levels = [self._level(integral, scale) for scale in scales]
        boxes, probabilities, shifts = (
            np.concatenate(parts) for parts in zip(*levels, strict=True)
        )
        keep = suppress(boxes, probabilities, 0.7)[:MOST_CANDIDATES]
        boxes, shifts = boxes[keep], shifts[keep]
        sides = boxes[:, 2:] - boxes[:, :2]
        return squared(boxes + shifts * np.tile(sides, 2))

    def _level(
        self, integral: Integral, scale: float
    ) -> tuple[Boxes, NDArray[np.float32], NDArray[np.float32]]:
        """PNet's boxes, their probabilities and regressions at one size."""
        height, width = int(integral.height * scale + 1), int(integral.width * scale + 1)
        strips = [
            self._pnet.run(integral.resized(height, width, rows))[0]
            for rows in _strips(height, width)
        ]
        out = np.concatenate(strips, axis=1)
        # Logits first: there are many cells and few faces.
        y, x = np.nonzero(out[0] > 0)
        probabilities = _sigmoid(out[0, y, x])
        passed = probabilities >= _PNET_LIMIT
        y, x, probabilities = y[passed], x[passed], probabilities[passed]
        corner = np.stack([x, y], axis=1).astype(np.float32) * np.float32(_STRIDE_PX)
        low = np.floor((corner + np.float32(1)) / np.float32(scale))
        high = np.floor((corner + np.float32(_CELL_PX)) / np.float32(scale))
        boxes = np.concatenate([low, high], axis=1)
        # Only so many can be followed up, and what follows is quadratic in their number.
        most = np.argsort(-probabilities, kind="stable")[: 4 * MOST_CANDIDATES]
        keep = most[suppress(boxes[most], probabilities[most], 0.5)]
        return boxes[keep], probabilities[keep], out[1:5, y[keep], x[keep]].T

    def _refined(self, integral: Integral, boxes: Boxes) -> Boxes:
        """RNet's squares."""
        boxes, out = _look(self._rnet, integral, boxes, 24)
        probabilities = _sigmoid(out[:, 0])
        passed = probabilities > _RNET_LIMIT
        boxes, probabilities, shifts = boxes[passed], probabilities[passed], out[passed, 1:5]
        keep = suppress(boxes, probabilities, 0.7)
        return squared(regressed(boxes[keep], shifts[keep]))

    def _final(self, integral: Integral, boxes: Boxes) -> Detections:
        """ONet's faces."""
        boxes, out = _look(self._onet, integral, boxes, 48)
        probabilities = _sigmoid(out[:, 0])
        passed = probabilities > _ONET_LIMIT
        boxes, probabilities, out = boxes[passed], probabilities[passed], out[passed]
        sides = (boxes[:, 2:] - boxes[:, :2] + np.float32(1))[:, None, :]
        points = out[:, 5:15].reshape(-1, 2, 5).transpose(0, 2, 1)
        landmarks = sides * points + boxes[:, None, :2] - np.float32(1)
        boxes = regressed(boxes, out[:, 1:5])
        keep = suppress(boxes, probabilities, 0.7, over="smaller")
        sizes = (boxes[keep, 2:] - boxes[keep, :2]).prod(axis=1)
        keep = keep[np.argsort(sizes, kind="stable")[::-1]]
        return Detections(
            boxes=boxes[keep], probabilities=probabilities[keep], landmarks=landmarks[keep]
        )


def _strips(height: int, width: int) -> Iterator[slice]:
    """Rows of a level to look at at a time: what PNet makes of a whole one leaves the cache.

    The same cells come out, since each starts at an even row and ends where the next one's first
    cell does.
    """
    step = max(2, _STRIP_PX // width // 2 * 2)
    for start in range(0, height - _CELL_PX + 1, step):
        yield slice(start, min(height, start + step + _CELL_PX - _STRIDE_PX))


def _look(
    network: Session, integral: Integral, boxes: Boxes, size: int
) -> tuple[Boxes, NDArray[np.float32]]:
    """Those of *boxes* that lie in the frame, and what *network* says of them."""
    pixels = within(boxes, integral.width, integral.height)
    inside = (pixels[:, 2:] > pixels[:, :2]).all(axis=1)
    boxes, pixels = boxes[inside], pixels[inside]
    batch = _BATCHES[size]
    outs = [
        network.run(integral.crops(pixels[i : i + batch], size))
        for i in range(0, len(pixels), batch)
    ]
    return boxes, np.concatenate(outs) if outs else np.empty((0, 15), dtype=np.float32)


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of two classes' logit difference: their softmax, with float32's saturation at 1."""
    with np.errstate(over="ignore"):  # exp(100) is inf in float32, and 1 / inf the right 0
        return np.float32(1) / (np.float32(1) + np.exp(-logits))


def _nothing() -> Detections:
    none = np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty((0, 5, 2), np.float32)
    return Detections(boxes=none[0], probabilities=none[1], landmarks=none[2])


def load_networks(folder: Path = _MODELS, *, threads: int = 1) -> tuple[Session, Session, Session]:
    """Load PNet, RNet and ONet, checked against the manifest beside them.

    Raises:
        ModelError: A file is missing or damaged.
    """
    names = "pnet", "rnet", "onet"
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        digests = [str(manifest[f"{name}.onnx"]["sha256"]) for name in names]
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise ModelError(f"{folder / 'manifest.json'} is damaged: install sightline again") from err
    pnet, rnet, onet = (
        Session(read_checked(folder / f"{name}.onnx", digest), name=name, threads=threads)
        for name, digest in zip(names, digests, strict=True)
    )
    return pnet, rnet, onet
