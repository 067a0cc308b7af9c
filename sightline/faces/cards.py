"""What is known of an engine: its card, part of it constant, part beside its network's file."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sightline.errors import ModelError
from sightline.faces.files import write_at_once

Measure = Literal["euclidean"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Card:
    """One engine: who it is, what it takes and gives, and what its distances mean."""

    id: str  # name and revision; embeddings of another id are never compared with its own
    digest: str  # SHA-256 of the ONNX file, in hex; empty until the file is made
    file: str  # the ONNX file's name
    dimension: int
    chip_size: int  # px
    template: NDArray[np.float32] = field(repr=False)  # (5, 2), see `engines.Engine`
    threshold: float
    margin: float
    doubt: float
    measure: Measure = "euclidean"
    licence: str
    source: str  # where the weights come from, for a person to read
    notes: dict[str, Any] = field(
        default_factory=dict
    )  # how the file was made, what it was held to

    def __post_init__(self) -> None:
        if self.template.shape != (5, 2):
            raise ValueError(f"a template of {self.template.shape} is not five points")
        if self.threshold <= 0 or self.margin < 0 or self.doubt < 0:
            raise ValueError("threshold, margin and doubt are distances")


def write_card(path: Path, card: Card) -> None:
    """Write what of *card* is not constant beside the network's file *path*.

    Raises:
        ModelError: It cannot be written.
    """
    content = {"id": card.id, "sha256": card.digest, "notes": card.notes}
    write_at_once(_beside(path), (json.dumps(content, indent=2) + "\n").encode())


def read_card(path: Path, blank: Card, *, mend: str) -> Card:
    """Read it back into *blank*.

    Args:
        path: Of the network's file, which need not be there.
        blank: The card's constant part.
        mend: The command that makes the file.

    Raises:
        ModelError: There is none, or it is damaged.
    """
    beside = _beside(path)
    try:
        content = json.loads(beside.read_bytes())
        id_, digest, notes = content["id"], content["sha256"], dict(content["notes"])
        if not isinstance(id_, str) or not isinstance(digest, str):
            raise TypeError("no strings")
    except FileNotFoundError as err:
        raise ModelError(f"{path.name} is not in {path.parent}: {mend}") from err
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise ModelError(f"{beside} is damaged: {mend}") from err
    return replace(blank, id=id_, digest=digest, notes=notes)


def _beside(path: Path) -> Path:
    return path.with_suffix(".json")
