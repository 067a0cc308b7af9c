"""Our side of `bench engine`: what a worker of the recognition function does, in one process.

    python -m infra.bench.our_worker

Nothing is imported that the function would not import, so that its memory is the function's.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from infra.bench.turns import Tasks, serve
from sightline.faces.detector import Detector
from sightline.faces.image import decode, decode_reduced
from sightline.faces.loading import load_recognizer

LOOKED_AT_PX = 1280  # as the function does unless told otherwise


def load(request: dict[str, Any]) -> tuple[Tasks, Mapping[str, Any]]:
    """Make the networks and the tasks."""
    cv2.setNumThreads(1)
    folder, engines = Path(request["folder"]), Path(request["engines"])
    recognizer = load_recognizer(request["engine"], folder=engines)
    engine = recognizer.engine

    def pictures(name: str) -> list[bytes]:
        return [path.read_bytes() for path in sorted((folder / name).glob("*.jpg"))]

    def pipeline(name: str) -> int:
        frames = (decode_reduced(data, longest_px=LOOKED_AT_PX).frame for data in pictures(name))
        return sum(len(recognizer.see(frame).faces) for frame in frames)

    kept: dict[str, Any] = {}  # made when first asked for, so that memory is the pipeline's before

    def detect(name: str) -> int:
        if name not in kept:
            kept[name] = [decode(data) for data in pictures(name)]
        detector = kept.setdefault("at 20", None) or Detector(smallest_face_px=20)
        kept["at 20"] = detector
        return sum(len(detector.detect(frame)) for frame in kept[name])

    def embed() -> int:
        chips = np.load(folder / "chips.npy")
        return len([engine.embed(chip[np.newaxis]) for chip in chips])

    def large() -> int:
        return len([decode_reduced(data, longest_px=LOOKED_AT_PX) for data in pictures("large")])

    def stages(asked: dict[str, Any]) -> dict[str, Any]:
        from infra.bench.stages import measured_stages  # brings onnx along

        return {"stages": measured_stages(request["engine"], engines, asked["seconds"])}

    tasks = {
        "pipeline one": lambda: pipeline("one"),
        "pipeline six": lambda: pipeline("six"),
        "detect one": lambda: detect("one"),
        "detect six": lambda: detect("six"),
        "embed": embed,
        "decode": large,
    }
    return tasks, {"stages": stages}


if __name__ == "__main__":
    serve(load, ("onnxruntime", "numpy", "opencv-python-headless", "pillow"))
