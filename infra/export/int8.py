"""The INT8 form of an engine: made from faces, held to the engine it is made from.

Static quantisation, as ONNX Runtime documents it: QDQ, activations unsigned, weights signed, a
channel at a time, in a *reduced range* of 7 bits. At full range the product of two neighbours
overflows 16 bits on AVX2 without VNNI, and the same file would give other embeddings on another
processor.

What it costs is measured on the very faces given, and written on the engine's card: whoever offers
it shows that beside it.
"""

import contextlib
import hashlib
import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.errors import ConfigError, ModelError
from sightline.faces.alignment import align
from sightline.faces.cards import Card, write_card
from sightline.faces.engines import INT8, Engine, load_engine
from sightline.faces.files import write_at_once
from sightline.faces.image import Frame
from sightline.faces.matcher import Gallery, Match, match
from sightline.faces.recognizer import Finder

SMALLEST_SIDE_PX = 40.0
FEWEST_FACES = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Faces:
    """Aligned faces, and whose they are."""

    chips: NDArray[np.uint8]  # (n, size, size, 3), RGB
    people: tuple[str, ...]  # n names


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What INT8 changed on some faces."""

    faces: int
    people: int
    median_distance: float  # between the two embeddings of one face
    greatest_distance: float
    pairs: int
    pairs_changed: int  # nearer than the threshold in one form only
    decisions: int  # each face against all others
    decisions_changed: int  # another decision, or another name

    def __str__(self) -> str:
        return (
            f"{self.decisions_changed} of {self.decisions} decisions and {self.pairs_changed} of"
            f" {self.pairs} pairs changed; moved by {self.median_distance:.3f}, at most"
            f" {self.greatest_distance:.3f} ({self.faces} faces of {self.people} people)"
        )


def cut_faces(frames: Sequence[tuple[str, Frame]], finder: Finder, card: Card) -> tuple[Faces, int]:
    """Cut the largest face out of each picture.

    Args:
        frames: Whose picture, and the picture.
        finder: Finds faces.
        card: Says how to align them.

    Returns:
        The faces, and of how many pictures none could be taken.
    """
    chips, people = [], []
    for person, frame in frames:
        found = finder.detect(frame)
        if not len(found):
            continue
        if (found.boxes[0, 2:] - found.boxes[0, :2]).min() < SMALLEST_SIDE_PX:
            continue
        chips.append(align(frame, found.landmarks[0], card.template, card.chip_size))
        people.append(person)
    none = np.empty((0, card.chip_size, card.chip_size, 3), np.uint8)
    faces = Faces(chips=np.stack(chips) if chips else none, people=tuple(people))
    return faces, len(frames) - len(people)


def quantise(base: str, card: Card, faces: Faces, folder: Path) -> tuple[Card, Effect]:
    """Write the INT8 form of the engine *base* into *folder*, with its card.

    Args:
        base: "dlib" or "facenet".
        card: That engine's.
        faces: Aligned for it; its activations are measured on them and on their mirror images.
        folder: Where the engines lie.

    Returns:
        The new engine's card, and what it changes.

    Raises:
        ConfigError: There are too few faces.
        ModelError: The package onnx is missing, or a file cannot be written.
    """
    if len(faces.people) < FEWEST_FACES:
        raise ConfigError(
            f"{len(faces.people)} faces are too few to quantise on; give {FEWEST_FACES} or more"
        )
    data = _quantised(folder / card.file, faces.chips)
    digest = hashlib.sha256(data).hexdigest()
    made = replace(
        card,
        id=f"{card.id}{INT8}-{digest[:8]}",
        digest=digest,
        file=card.file.replace(".onnx", f"{INT8}.onnx"),
        notes={"made_from": card.id, "faces": len(faces.people)},
    )
    full = load_engine(base, folder=folder)
    # Elsewhere first: without its effect on the card it is not to be had, even if this is cut off.
    with tempfile.TemporaryDirectory(prefix="sightline-int8-") as name:
        _put(made, data, Path(name))
        effect = measure(full, load_engine(base + INT8, folder=Path(name)), faces)
    made = replace(made, notes={**made.notes, "effect": asdict(effect)})
    _put(made, data, folder)
    return made, effect


def _put(card: Card, data: bytes, folder: Path) -> None:
    write_at_once(folder / card.file, data)
    write_card(folder / card.file, card)


def measure(full: Engine, small: Engine, faces: Faces) -> Effect:
    """Hold one engine to another, on faces that both see alike."""
    before, after = full.embed(faces.chips), small.embed(faces.chips)
    moved = np.linalg.norm(before - after, axis=1)
    upper = np.triu_indices(len(before), 1)
    near = [
        np.linalg.norm(rows[upper[0]] - rows[upper[1]], axis=1) < full.threshold
        for rows in (before, after)
    ]
    decided = [
        list(_decisions(engine, rows, faces.people))
        for engine, rows in ((full, before), (small, after))
    ]
    changed = [
        (a.decision, a.person_id) != (b.decision, b.person_id)
        for a, b in zip(*decided, strict=True)
    ]
    return Effect(
        faces=len(before),
        people=len(set(faces.people)),
        median_distance=float(np.median(moved)),
        greatest_distance=float(moved.max()),
        pairs=len(upper[0]),
        pairs_changed=int((near[0] != near[1]).sum()),
        decisions=len(changed),
        decisions_changed=sum(changed),
    )


def _decisions(
    engine: Engine, rows: NDArray[np.float32], people: tuple[str, ...]
) -> Iterator[Match]:
    """Each face against all others, as if it were in a frame of its own."""
    for i in range(len(rows)):
        gallery = Gallery(
            version=0,
            engine=engine.id,
            embeddings=np.delete(rows, i, axis=0),
            person_ids=people[:i] + people[i + 1 :],
        )
        [found] = match(
            rows[i : i + 1],
            gallery,
            threshold=engine.threshold,
            margin=engine.margin,
            doubt=engine.doubt,
        )
        yield found


class _Reader:
    """What ONNX Runtime's calibration asks for its inputs, one at a time."""

    def __init__(self, chips: NDArray[np.uint8]) -> None:
        both = np.concatenate([chips, chips[:, :, ::-1]])
        self._left = iter([{"chips": both[i : i + 1]} for i in range(len(both))])

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        return next(self._left, None)


@contextlib.contextmanager
def _root_log_at(level: int) -> Iterator[None]:
    """Hold the root logger to *level*: ONNX Runtime advises through it what was done already."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(level)
    try:
        yield
    finally:
        root.setLevel(before)


def _quantised(path: Path, chips: NDArray[np.uint8]) -> bytes:
    try:
        from onnxruntime import quantization as q
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as err:
        raise ModelError("the package onnx is not installed: pip install onnx==1.23.2") from err
    with _root_log_at(logging.ERROR), tempfile.TemporaryDirectory(prefix="sightline-int8-") as name:
        shaped, small = Path(name) / "shaped.onnx", Path(name) / "int8.onnx"
        options: dict[str, Any] = {"ActivationSymmetric": False, "WeightSymmetric": True}
        quant_pre_process(str(path), str(shaped), skip_symbolic_shape=True)
        q.quantize_static(
            str(shaped),
            str(small),
            _Reader(chips),
            quant_format=q.QuantFormat.QDQ,
            activation_type=q.QuantType.QUInt8,
            weight_type=q.QuantType.QInt8,
            reduce_range=True,
            per_channel=True,
            extra_options=options,
        )
        return small.read_bytes()
