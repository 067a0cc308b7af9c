"""Names and embeddings, whatever the file was that held them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cloud.imports.limits import MAX_VECTORS
from cloud.imports.pickled_arrays import ArrayValue, python_values
from cloud.names import likeness, tidy
from cloud.register import check_name
from sightline.errors import ConfigError

ENGINES = {128: "dlib", 512: "facenet"}  # what makes embeddings of that many numbers

_VECTOR_KEYS = ("encodings", "encoding", "embeddings", "embedding")
_NAME_KEYS = ("names", "name")
_SHAPES = (
    "give {'encodings': [...], 'names': [...]}, [embeddings, names], or {name: embedding, ...}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedVectors:
    """Embeddings, and whose each is; a person may have several."""

    names: tuple[str, ...]
    vectors: NDArray[np.float32] = field(repr=False)  # (n, 128) or (n, 512) of length 1

    def __post_init__(self) -> None:
        _check_counts(len(self.names), len(self.vectors))

    @property
    def engine(self) -> str:
        """The network that makes such, by the name that `./run engines` lists."""
        return ENGINES[self.vectors.shape[1]]

    @property
    def people(self) -> int:
        """How many people are named, however their names are spelled."""
        return len({likeness(name) for name in self.names})

    @property
    def all_of_length_one(self) -> bool:
        """Whether they were normalised, as facenet's are and dlib's are not."""
        return bool((abs(np.linalg.norm(self.vectors, axis=1) - 1) < 1e-3).all())


def named_vectors(value: object) -> NamedVectors:
    """Find names and embeddings in what a pickle or a torch file held.

    Raises:
        ConfigError: They are not there, or wrong; it names the first that is.
    """
    names, vectors = _apart(value)
    _check_counts(len(names), len(vectors))
    _check_number(len(vectors))
    people = tuple(_name(given, place) for place, given in enumerate(names))
    places = [f"vector {place} ({name})" for place, name in enumerate(people)]
    rows = [_vector(given, where) for given, where in zip(vectors, places, strict=True)]
    return NamedVectors(names=people, vectors=_checked(rows, places))


def _check_counts(names: int, vectors: int) -> None:
    if names != vectors:
        raise ConfigError(f"there are {vectors} vectors, but {names} names; each needs the other")
    if not vectors:
        raise ConfigError("there are no vectors in it")


def _check_number(count: int) -> None:
    if count > MAX_VECTORS:
        raise ConfigError(f"there are over {MAX_VECTORS:,} vectors in it; split it")


def _apart(value: object) -> tuple[Sequence[object], Sequence[object]]:
    """Tell names from vectors."""
    if isinstance(value, dict):
        vectors = [value[key] for key in _VECTOR_KEYS if key in value]
        names = [value[key] for key in _NAME_KEYS if key in value]
        if len(vectors) == len(names) == 1:
            return _listed(names[0]), _listed(vectors[0])
        if not vectors and not names and value:
            return _by_name(value)
    if isinstance(value, (list, tuple)) and len(value) == 2:
        first, second = map(_listed, value)
        if not first and not second:
            return (), ()
        named = [
            bool(part) and all(isinstance(each, str) for each in part) for part in (first, second)
        ]
        if named == [True, False]:
            return first, second
        if named == [False, True]:
            return second, first
    raise ConfigError(f"names and embeddings are not to be found in it; {_SHAPES}")


def _by_name(value: dict[object, object]) -> tuple[Sequence[object], Sequence[object]]:
    """Take face_recognition's own example: a dict of one embedding, or a list of them, a name."""
    names: list[object] = []
    vectors: list[object] = []
    for name, given in value.items():
        several = _listed(given)
        if several and all(isinstance(each, float) for each in several):
            several = (given,)
        _check_number(len(names) + len(several))  # one list may stand behind all names
        names += [name] * len(several)
        vectors += several
    return names, vectors


def _listed(given: object) -> Sequence[object]:
    if isinstance(given, ArrayValue):
        array = given.array()
        _check_number(len(array) if array.ndim > 1 else 0)
        if array.dtype.kind == "U":
            _check_number(array.size)
            return python_values(array.ravel())
        return [given] if array.ndim < 2 else list(array)
    if isinstance(given, (list, tuple)):
        return given
    raise ConfigError(f"names and embeddings are not to be found in it; {_SHAPES}")


def _all_texts(given: Sequence[object]) -> bool:
    return bool(given) and all(isinstance(each, str) for each in given)


def _name(given: object, place: int) -> str:
    if not isinstance(given, str):
        kind = type(given).__name__ if isinstance(given, (int, float, bytes)) else "no text"
        raise ConfigError(f"name {place} is no name but {kind}; give people's names as text")
    name = check_name(tidy(given))
    if not likeness(name):
        raise ConfigError(f"name {place}, {name!r}, is no name: it has no letter")
    return name


def _vector(given: object, where: str) -> NDArray[np.float64]:
    """Make a row of what is an array, a tensor (1, d), or a list of numbers."""
    array = given
    if isinstance(given, ArrayValue):
        array = given.array()
    elif isinstance(given, (list, tuple)):
        array = _from_list(given, where)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise ConfigError(f"{where} is no list of numbers")
    if array.size not in ENGINES or array.shape[-1] != array.size:
        shape = "x".join(map(str, array.shape)) or "no"
        raise ConfigError(
            f"{where} has {shape} numbers; dlib's (face_recognition) have 128, facenet's 512"
        )
    with np.errstate(invalid="ignore"):  # signalling NaN; said below, and better
        return array.reshape(-1).astype(np.float64)


def _from_list(given: Sequence[object], where: str) -> NDArray[np.float64] | None:
    if len(given) == 1 and isinstance(given[0], (list, tuple)):
        given = given[0]  # as `tolist()` of a tensor (1, d) gives it
    numbers = [each for each in given[: max(ENGINES) + 1] if isinstance(each, (int, float))]
    if len(numbers) < min(len(given), max(ENGINES) + 1):
        return None
    try:
        return np.array(numbers, np.float64)
    except OverflowError as err:
        raise ConfigError(f"{where} holds a number without end") from err


def _checked(rows: list[NDArray[np.float64]], places: list[str]) -> NDArray[np.float32]:
    sizes = {len(row) for row in rows}
    if len(sizes) > 1:
        raise ConfigError("some vectors have 128 numbers and some 512: they are of two networks")
    matrix = np.stack(rows)
    # Not float32's largest number, but farther than any embedding: squares must stay finite, too.
    wrong = ~(np.abs(matrix) < 1e6).all(axis=1)
    if wrong.any():
        raise ConfigError(f"{places[int(wrong.argmax())]} holds what is no finite number")
    lengths = np.linalg.norm(matrix, axis=1)
    if (lengths < 1e-6).any():
        raise ConfigError(f"{places[int(lengths.argmin())]} is all zeros: no face was in it")
    if sizes == {512}:  # ours have length 1; a mean of several photos' has less
        matrix /= lengths[:, np.newaxis]
    return matrix.astype(np.float32)
