"""Golden values that `tests/golden/faces/make.py` has made with the references."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.faces.image import Frame, decode

TESTS = Path(__file__).parents[2]
FOLDER = TESTS / "golden" / "faces"


def digest(array: NDArray[np.uint8]) -> str:
    """SHA-256 of an array's shape and values, in hex, as make.py takes it."""
    return hashlib.sha256(repr(array.shape).encode() + array.tobytes()).hexdigest()


def mtcnn_cases() -> list[dict[str, Any]]:
    """What facenet-pytorch found, a case a photograph and size."""
    cases: list[dict[str, Any]] = json.loads((FOLDER / "mtcnn.json").read_text())["cases"]
    return cases


def dlib_descriptors() -> tuple[dict[str, tuple[str, NDArray[np.float32]]], NDArray[np.uint8]]:
    """Name of each chip -> its digest and dlib's descriptor; and the chips that are kept."""
    with np.load(FOLDER / "dlib.npz") as file:
        values = zip(file["digests"].tolist(), file["descriptors"], strict=True)
        return dict(zip(file["names"].tolist(), values, strict=True)), file["chips"]


def frame_of(name: str, photographs: Path) -> Frame:
    """The photograph of that *name*, decoded."""
    file = TESTS / name if name.startswith("data/") else photographs / name
    return decode(file.read_bytes())
