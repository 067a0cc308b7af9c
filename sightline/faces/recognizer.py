"""From a frame to the embeddings of its faces: the same way for enrolment and recognition."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sightline.faces.alignment import Chip, align
from sightline.faces.detector import Detections
from sightline.faces.engines import Engine
from sightline.faces.image import Frame
from sightline.faces.quality import Quality, judge


class Finder(Protocol):
    """What finds faces; `sightline.faces.detector.Detector` does it for real."""

    def detect(self, frame: Frame) -> Detections:
        """Find the faces in *frame*."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeenFace:
    """One face of a frame."""

    box: tuple[int, int, int, int]  # x, y, width, height in pixels, within the frame
    detection: float  # the detector's probability, 0 to 1
    landmarks: NDArray[np.float32] = field(repr=False)  # (5, 2), pixels of the frame
    quality: Quality
    embedding: NDArray[np.float32] | None = field(repr=False)  # (d,); None unless good


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """All faces of a frame, the largest first, and the time it took to see them."""

    faces: tuple[SeenFace, ...]
    detect_ms: float
    embed_ms: float  # alignment and quality included


class Recognizer:
    """A detector and an engine. May be shared by threads if they may."""

    def __init__(
        self,
        detector: Finder,
        engine: Engine,
        *,
        smallest_face_px: float = 0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Join the two; *clock* gives seconds.

        A detector told to look for faces from some size on finds a few that are smaller, by chance;
        those below *smallest_face_px* are left out, so that a face does not come and go with it.
        """
        self._detector = detector
        self._smallest_face_px = smallest_face_px
        self.engine = engine
        self._clock = clock

    def see(self, frame: Frame) -> Sight:
        """Find and embed the faces in *frame*, (h, w, 3) uint8 RGB."""
        start = self._clock()
        found = self._detector.detect(frame)
        detected = self._clock()
        sides = (found.boxes[:, 2:] - found.boxes[:, :2]).min(axis=1, initial=np.inf)
        if (sides < self._smallest_face_px).any():
            found = found.taken(sides >= self._smallest_face_px)
            sides = sides[sides >= self._smallest_face_px]
        chips = [self._chip(frame, points) for points in found.landmarks]
        qualities = [judge(float(side), chip) for side, chip in zip(sides, chips, strict=True)]
        embeddings = self._embeddings(chips, qualities)
        faces = tuple(
            SeenFace(
                box=_clipped(found.boxes[i], frame.shape[1], frame.shape[0]),
                detection=float(found.probabilities[i]),
                landmarks=found.landmarks[i],
                quality=qualities[i],
                embedding=embeddings.get(i),
            )
            for i in range(len(found))
        )
        return Sight(
            faces=faces,
            detect_ms=(detected - start) * 1000,
            embed_ms=(self._clock() - detected) * 1000,
        )

    def _chip(self, frame: Frame, landmarks: NDArray[np.float32]) -> Chip:
        return align(frame, landmarks, self.engine.template, self.engine.chip_size)

    def _embeddings(
        self, chips: list[Chip], qualities: list[Quality]
    ) -> dict[int, NDArray[np.float32]]:
        """Of the good ones, by index, in one batch."""
        good = [i for i, quality in enumerate(qualities) if quality.verdict == "good"]
        if not good:
            return {}
        rows = self.engine.embed(np.stack([chips[i] for i in good]))
        return dict(zip(good, rows, strict=True))


def _clipped(box: NDArray[np.float32], width: int, height: int) -> tuple[int, int, int, int]:
    """Whole pixels, at least one, within the frame."""
    x1, y1 = (
        min(max(int(np.floor(v)), 0), n - 1) for v, n in zip(box[:2], (width, height), strict=True)
    )
    x2, y2 = (
        min(max(int(np.ceil(v)), low + 1), n)
        for v, low, n in zip(box[2:], (x1, y1), (width, height), strict=True)
    )
    return x1, y1, x2 - x1, y2 - y1
