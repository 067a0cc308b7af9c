"""NumPy's arrays as pickles spell them, for `pickle_machine`.

Both NumPy 1's names and NumPy 2's, and both spellings: `_reconstruct` with a state, and protocol
5's `_frombuffer`. Of element types there are numbers and texts; an array of objects would be a
pickle within the pickle.
"""

import math
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloud.imports.limits import MAX_FILE_BYTES, MAX_NUMBERS
from cloud.imports.pickle_machine import Built, Constructor, Name
from sightline.errors import ConfigError

_TYPES = re.compile(r"[<>=|]?(f[248]|[iu][1248]|b1|U[1-9][0-9]{0,3})")
_MAX_DIMENSIONS = 4
_CORES = ("numpy.core", "numpy._core")  # NumPy 1's, NumPy 2's


class ArrayValue(ABC):
    """What stands in a file for an array."""

    @abstractmethod
    def array(self) -> NDArray[Any]:
        """Return it.

        Raises:
            ConfigError: It was never finished, or does not fit what it claims to be.
        """


class PickledType(Built):
    """An element type."""

    def __init__(self, code: str) -> None:
        self._code = code.lstrip("<>=|")
        self._order = code[: len(code) - len(self._code)]

    @property
    def dtype(self) -> np.dtype[Any]:
        """As NumPy's own."""
        return np.dtype(self._order + self._code)

    def set_state(self, state: object) -> None:
        """Take the byte order; whatever makes it anything but a plain type is refused."""
        match state:
            case (int(), "<" | ">" | "=" | "|" as order, None, None, None, *_):
                self._order = order
            case _:
                raise ConfigError("an array in it has elements that are neither numbers nor text")


class PickledArray(Built, ArrayValue):
    """An array; empty until its state is set."""

    def __init__(self, budget: "Budget", array: NDArray[Any] | None = None) -> None:
        self._budget = budget
        self._array = array

    def array(self) -> NDArray[Any]:
        """See `ArrayValue.array`."""
        if self._array is None:
            raise ConfigError("an array in it was never filled")
        return self._array

    def set_state(self, state: object) -> None:
        """Fill it, once."""
        if self._array is not None:
            raise ConfigError("an array in it is filled twice")
        match state:
            case (int(), tuple() as shape, PickledType() as kind, int() as fortran, raw):
                data = self._budget.bytes_of(raw)
                self._array = view(data, kind.dtype, shape, fortran=bool(fortran))
            case _:
                raise _damaged()


class Budget:
    """How many bytes may still be made: a pickle can ask for the same ones any number of times."""

    def __init__(self, left: int = MAX_FILE_BYTES) -> None:
        self._left = left

    def spend(self, size: int) -> None:
        """Take *size* bytes from it.

        Raises:
            ConfigError: There are not as many left.
        """
        self._left -= size
        if self._left < 0:
            raise ConfigError("it is refused: it would unfold to more than a file may hold")

    def bytes_of(self, raw: object) -> bytes:
        """Return *raw* as bytes, which protocols 0 to 2 write as text with a character a byte.

        Raises:
            ConfigError: It is neither, or there are too many.
        """
        if isinstance(raw, bytes):
            return raw
        if not isinstance(raw, str) or not (raw.isascii() or max(map(ord, raw)) < 256):
            raise _damaged()
        self.spend(len(raw))
        return raw.encode("latin-1")


def view(
    data: bytes, dtype: np.dtype[Any], shape: tuple[object, ...], *, fortran: bool = False
) -> NDArray[Any]:
    """View *data* as an array; its own bytes, not what it claims, are what it takes of memory.

    Raises:
        ConfigError: There are more or fewer bytes than the shape asks for.
    """
    sides = whole_numbers(shape)
    if len(sides) > _MAX_DIMENSIONS:
        raise ConfigError(f"an array in it has {len(sides)} dimensions; vectors have one")
    count = math.prod(sides)
    if count > MAX_NUMBERS:
        raise ConfigError(f"an array in it claims {count:.3g} numbers; at most {MAX_NUMBERS:,} fit")
    if count * dtype.itemsize != len(data):
        raise ConfigError(
            f"an array in it claims {count:,} numbers of {dtype.itemsize} bytes, but has"
            f" {len(data):,} bytes"
        )
    if not count:
        return np.empty(0, dtype)
    return np.frombuffer(data, dtype).reshape(sides, order="F" if fortran else "C")


def whole_numbers(given: object) -> tuple[int, ...]:
    """Return *given* if it is a tuple of sizes.

    Raises:
        ConfigError: It is not.
    """
    sides = given if isinstance(given, tuple) else ()
    numbers = tuple(side for side in sides if isinstance(side, int) and 0 <= side < 2**62)
    if not isinstance(given, tuple) or len(numbers) != len(given):
        raise ConfigError("a size in it is no whole number, or one that no file has")
    return numbers


def python_values(array: NDArray[Any]) -> list[Any]:
    """Write *array* as Python's own values.

    Raises:
        ConfigError: A text in it has characters that there are not.
    """
    if array.dtype.kind == "U":
        # NumPy does not look, and makes a text that breaks whatever touches it.
        code = np.dtype("u4").newbyteorder(array.dtype.byteorder)
        if (np.ascontiguousarray(array).view(code) > sys.maxunicode).any():
            raise ConfigError("an array in it holds what is no text")
    return list(array.tolist())


def array_constructors() -> Mapping[str, Constructor]:
    """Make the table of all that a pickle of arrays calls; for one file, whose bytes it counts."""
    making = _Making(Budget())
    return {
        "numpy.ndarray": _not_called,
        "numpy.dtype": _dtype,
        "_codecs.encode": making.encoded,
        "__builtin__.bytes": _no_bytes,
        **{f"{core}.multiarray._reconstruct": making.reconstructed for core in _CORES},
        **{f"{core}.multiarray.scalar": making.scalar for core in _CORES},
        **{f"{core}.numeric._frombuffer": making.from_buffer for core in _CORES},
    }


def _not_called(_: tuple[object, ...]) -> object:
    raise _damaged()


def _no_bytes(arguments: tuple[object, ...]) -> bytes:
    if arguments:  # protocols 0 to 2 write none at all so, and any others as text
        raise _damaged()
    return b""


def _dtype(arguments: tuple[object, ...]) -> PickledType:
    match arguments:
        case (str() as code, *_) if _TYPES.fullmatch(code):
            return PickledType(code)
        case (str() as code, *_):
            raise ConfigError(
                f"an array in it has elements of the type {code[:20]!r}; give floats, or texts"
            )
    raise _damaged()


class _Making:
    """Calls that make arrays, on one budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def encoded(self, arguments: tuple[object, ...]) -> bytes:
        match arguments:
            case (str() as text, "latin1" | "latin-1"):
                return self._budget.bytes_of(text)
        raise _damaged()

    def reconstructed(self, arguments: tuple[object, ...]) -> PickledArray:
        match arguments:
            case (Name(dotted="numpy.ndarray"), (0,), _):
                return PickledArray(self._budget)
        raise _damaged()

    def from_buffer(self, arguments: tuple[object, ...]) -> PickledArray:
        match arguments:
            case (bytes() as data, PickledType() as kind, tuple() as shape, "C" | "F" as order):
                array = view(data, kind.dtype, shape, fortran=order == "F")
                return PickledArray(self._budget, array)
        raise _damaged()

    def scalar(self, arguments: tuple[object, ...]) -> object:
        match arguments:
            case (PickledType() as kind, raw):
                data = self._budget.bytes_of(raw)
                self._budget.spend(len(data))
                return python_values(view(data, kind.dtype, (1,)))[0]
        raise _damaged()


def _damaged() -> ConfigError:
    return ConfigError("an array in it is not written as NumPy writes one")
