"""Golden values that `tests/golden/faces/make.py` has made with the references."""

import hashlib
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.faces.image import Frame, decode

TESTS = Path(__file__).parents[2]
FOLDER = TESTS / "golden" / "faces"


def digest(array: NDArray[np.uint8]) -> str:
    """SHA-256 of an array's shape and values, in hex, as make.py takes it."""
    return hashlib.sha256(repr(array.shape).encode() + array.tobytes()).hexdigest()


def mtcnn_cases() -> list[dict[str, Any]]:
    """What facenet-pytorch found, a case a picture and size."""
    cases: list[dict[str, Any]] = json.loads((FOLDER / "mtcnn.json").read_text())["cases"]
    return cases


def dlib_descriptors() -> tuple[dict[str, tuple[str, NDArray[np.float32]]], NDArray[np.uint8]]:
    """Name of each chip -> its digest and dlib's descriptor; and the chips that are kept."""
    with np.load(FOLDER / "dlib.npz") as file:
        values = zip(file["digests"].tolist(), file["descriptors"], strict=True)
        return dict(zip(file["names"].tolist(), values, strict=True)), file["chips"]


def published_answers() -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Name of each of MTCNN's networks -> pixels and what it answers to them, as published."""
    with np.load(FOLDER / "mtcnn_networks.npz") as file:
        return {
            name: (file[f"{name}_pixels"].astype(np.float32), file[f"{name}_out"])
            for name in ("pnet", "rnet", "onet")
        }


def frame_of(name: str, photographs: Path) -> Frame:
    """The photograph of that *name*, decoded."""
    file = TESTS / name if name.startswith("data/") else photographs / name
    return decode(file.read_bytes())


def frames_of(clip: Path, numbers: Collection[int]) -> Iterator[tuple[int, Frame]]:
    """Those of a clip's frames that have these *numbers*, counted from 0, as make.py reads them."""
    capture, last = cv2.VideoCapture(str(clip)), max(numbers)
    for number in range(last + 1):
        if not capture.grab():
            return
        if number in numbers:
            bgr = capture.retrieve()[1]
            yield number, np.ascontiguousarray(bgr[:, :, ::-1], dtype=np.uint8)
