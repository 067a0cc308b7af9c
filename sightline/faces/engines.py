"""The networks that turn a face into numbers, behind one contract."""

import contextlib
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from sightline.errors import ModelError
from sightline.faces import dlib
from sightline.faces.cache import cache_folder
from sightline.faces.sessions import Session, read_checked

Measure = Literal["euclidean"]

_BATCH = 16  # faces at a time: more are no faster, and a crowd's would take gigabytes


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


class DlibEngine:
    """dlib's ResNet, 128 numbers. May be shared by threads."""

    id = dlib.ID
    digest = dlib.ONNX_SHA256
    dimension = 128
    measure: Measure = "euclidean"
    threshold = dlib.THRESHOLD
    margin = dlib.MARGIN
    doubt = dlib.DOUBT
    chip_size = 150

    def __init__(self, onnx: bytes, *, threads: int = 1) -> None:
        """Load the network from its file's bytes.

        Raises:
            ModelError: They cannot be loaded.
        """
        self._session = Session(onnx, name=self.id, threads=threads)
        self.template = dlib.TEMPLATE.copy()

    def embed(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Engine.embed`."""
        if chips.shape[1:] != (self.chip_size, self.chip_size, 3) or chips.dtype != np.uint8:
            raise ValueError(f"a {chips.dtype} array of {chips.shape} holds no chips")
        if not len(chips):
            return np.empty((0, self.dimension), dtype=np.float32)
        batches = [chips[i : i + _BATCH] for i in range(0, len(chips), _BATCH)]
        return np.concatenate([self._session.run(batch) for batch in batches])


def prepare_engine(name: str = "dlib", folder: Path | None = None) -> Path:
    """Make the ONNX file of an engine, unless it is there already.

    Several processes may do so at once. Takes a second, and the packages `onnx` and
    `face_recognition_models`; `load_engine` needs neither once it is done.

    Args:
        name: "dlib".
        folder: Where it shall lie; by default the user's cache.

    Returns:
        The file.

    Raises:
        ModelError: It cannot be made; the text says what is missing.
    """
    _check(name)
    path = _path(folder)
    with contextlib.suppress(ModelError):
        read_checked(path, dlib.ONNX_SHA256)
        return path
    dlib.write_onnx(path)
    return path


def load_engine(name: str = "dlib", *, folder: Path | None = None, threads: int = 1) -> Engine:
    """Load an engine, making its ONNX file first if that is missing or damaged.

    Args:
        name: "dlib".
        folder: Where its file lies; by default the user's cache.
        threads: Processor cores to use.

    Raises:
        ModelError: There is no such engine, or its file is not there and cannot be made.
    """
    _check(name)
    path = _path(folder)
    try:
        onnx = read_checked(path, dlib.ONNX_SHA256)
    except ModelError:
        onnx = read_checked(prepare_engine(name, folder), dlib.ONNX_SHA256)
    return DlibEngine(onnx, threads=threads)


def _check(name: str) -> None:
    if name != "dlib":
        raise ModelError(f"there is no engine {name!r}; there is 'dlib'")


def _path(folder: Path | None) -> Path:
    return (folder or cache_folder()) / dlib.FILE_NAME
