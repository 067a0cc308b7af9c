"""What `torch.save` writes, read without torch: the zip since torch 1.6, and the form before.

A pickle says how tensors lie in storages, and the storages' bytes are beside it. The pickle goes
through `pickle_machine`; a tensor becomes a view of its storage's bytes, once somebody asks for it.

Source: torch 2.13.0, torch/serialization.py (`_save`, `_legacy_save`, `_legacy_load`).
"""

import io
import math
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloud.imports.limits import MAX_FILE_BYTES, MAX_NUMBERS
from cloud.imports.pickle_machine import Constructor, Name, read_pickle
from cloud.imports.pickled_arrays import ArrayValue, Budget, array_constructors, whole_numbers
from sightline.errors import ConfigError

_ZIP_START = b"PK\x03\x04"

_MAGIC = 0x1950A86A20F9469CFC6C
_PICKLED_MAGIC = b"\x8a\n" + _MAGIC.to_bytes(10, "little") + b"."  # behind the pickle's protocol
_LEGACY_PROTOCOL = 1001
_MAX_DIMENSIONS = 4
_TYPES = {"FloatStorage": "f4", "DoubleStorage": "f8", "HalfStorage": "f2"}
_OTHER_TYPES = (
    *("BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool", "ComplexFloat", "ComplexDouble"),
    *("QInt8", "QUInt8", "QInt32", "QUInt4x2", "QUInt2x4", "Untyped"),
)


@dataclass(slots=True)
class _Storage:
    """A tensor's memory; its bytes may come after the tensors."""

    dtype: np.dtype[Any]
    count: int  # of numbers
    data: bytes | None = field(default=None, repr=False)
    whole: "_Storage | None" = None  # of which this is a part, in the oldest files
    first: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.count <= MAX_FILE_BYTES:
            raise ConfigError(
                f"a tensor's storage claims {self.count} numbers; the file is smaller"
            )

    def numbers(self) -> NDArray[Any]:
        if self.whole is not None:
            part = self.whole.numbers()[self.first : self.first + self.count]
        elif self.data is not None and len(self.data) == self.count * self.dtype.itemsize:
            part = np.frombuffer(self.data, self.dtype)
        else:
            raise ConfigError("the file is cut off: a tensor's numbers are missing")
        return part


class _Tensor(ArrayValue):
    def __init__(
        self, storage: _Storage, first: int, size: tuple[int, ...], stride: tuple[int, ...]
    ) -> None:
        self._storage, self._first, self._size, self._stride = storage, first, size, stride

    def array(self) -> NDArray[Any]:
        numbers = self._storage.numbers()
        if not math.prod(self._size):
            return np.empty(0, numbers.dtype)
        steps = zip(self._size, self._stride, strict=True)
        last = self._first + sum((side - 1) * step for side, step in steps)
        if last >= len(numbers):
            raise ConfigError("a tensor in it reaches beyond its storage")
        # A side of 1 is never stepped along, and torch does not care what its step is.
        steps = zip(self._size, self._stride, strict=True)
        strides = tuple(step * numbers.itemsize if side > 1 else 0 for side, step in steps)
        return np.lib.stride_tricks.as_strided(
            numbers[self._first :], self._size, strides, writeable=False
        )


def is_torch(data: bytes) -> bool:
    """Tell by the first bytes whether torch may have saved *data*."""
    return data.startswith(_ZIP_START) or (data[:1] == b"\x80" and _PICKLED_MAGIC in data[:32])


def read_torch(data: bytes) -> object:
    """Read what was saved; see `pickle_machine.read_pickle`, with `ArrayValue` for tensors.

    Raises:
        ConfigError: It is no such file, is damaged, or holds more than plain values and tensors.
    """
    return _read_zip(data) if data.startswith(_ZIP_START) else _read_legacy(data)


def _read_zip(data: bytes) -> object:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _read_archive(archive, Budget(len(data)))
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, struct.error) as err:
        raise ConfigError(f"the file is a damaged zip: {err}") from err


def _read_archive(archive: zipfile.ZipFile, budget: Budget) -> object:
    names = {entry.filename: entry for entry in archive.infolist()}
    roots = [name.removesuffix("/data.pkl") for name in names if name.endswith("/data.pkl")]
    if len(roots) != 1 or f"{roots[0]}/constants.pkl" in names:
        what = "a model saved by torch.jit" if roots else "a zip, but none that torch.save wrote"
        raise ConfigError(f"the file is {what}; give torch.save([embeddings, names], 'data.pt')")
    [root] = roots

    def read(name: str) -> bytes:
        entry = names.get(f"{root}/{name}")
        if entry is None:
            raise ConfigError(f"the file is damaged: {name[:60]} is not in it")
        # torch compresses nothing, so that whatever is, is no tensor; and parts may overlap.
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            raise ConfigError(
                "it is refused: it is compressed or encrypted, as torch.save does not"
            )
        budget.spend(entry.file_size)
        return archive.read(entry)

    big = f"{root}/byteorder" in names and read("byteorder") == b"big"
    storages: dict[str, _Storage] = {}

    def persistent(given: object) -> _Storage:
        match given:
            case ("storage", Name() as kind, str() as key, str(), int() as count):
                if key not in storages:
                    dtype = _dtype(kind).newbyteorder(">" if big else "<")
                    storages[key] = _Storage(dtype, count, data=read(f"data/{key}"))
                return storages[key]
        raise _damaged()

    pickle = io.BytesIO(read("data.pkl"))
    return read_pickle(pickle, _constructors(), persistent=persistent)


def _read_legacy(data: bytes) -> object:
    stream = io.BytesIO(data)
    if [read_pickle(stream, {}), read_pickle(stream, {})] != [_MAGIC, _LEGACY_PROTOCOL]:
        raise ConfigError("it was saved by a torch that is not known; save it with a later one")
    read_pickle(stream, {})  # about the machine; the numbers are little-endian on any
    storages: dict[object, _Storage] = {}

    def persistent(given: object) -> _Storage:
        match given:
            case ("storage", Name() as kind, str() as key, str(), int() as count, part):
                whole = storages.setdefault(key, _Storage(_dtype(kind).newbyteorder("<"), count))
                return whole if part is None else _part(whole, part)
        raise _damaged()

    value = read_pickle(stream, _constructors(), persistent=persistent)
    keys = read_pickle(stream, {})
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ConfigError("the file is damaged: its list of tensors is none")
    for key in keys:
        storage = storages.get(key)
        head = stream.read(8)
        if storage is None or len(head) < 8 or struct.unpack("<q", head)[0] != storage.count:
            raise ConfigError("the file is damaged or cut off: a tensor's numbers are missing")
        storage.data = stream.read(storage.count * storage.dtype.itemsize)
    return value


def _part(whole: _Storage, given: object) -> _Storage:
    """Take a part of a storage, as torch before 0.4 wrote views."""
    match given:
        case (str(), int() as first, int() as count) if min(first, count) >= 0:
            return _Storage(whole.dtype, count, whole=whole, first=first)
    raise _damaged()


def _dtype(kind: Name) -> np.dtype[Any]:
    name = kind.dotted.removeprefix("torch.")
    if name not in _TYPES:
        what = name.removesuffix("Storage")
        raise ConfigError(f"a tensor in it holds {what} numbers; give float32: embedding.float()")
    return np.dtype(_TYPES[name])


def _constructors() -> Mapping[str, Constructor]:
    storages = [*_TYPES, *(f"{name}Storage" for name in _OTHER_TYPES)]
    return {
        **array_constructors(),  # names may be an array, and so may embeddings
        **{f"torch.{name}": _not_called for name in storages},
        "torch.storage.UntypedStorage": _not_called,
        "torch._utils._rebuild_tensor": _tensor,
        "torch._utils._rebuild_tensor_v2": _tensor,
        "torch._utils._rebuild_parameter": _parameter,
        "collections.OrderedDict": _no_hooks,
    }


def _not_called(_: tuple[object, ...]) -> object:
    raise _damaged()


def _tensor(arguments: tuple[object, ...]) -> _Tensor:
    match arguments:
        case (_Storage() as storage, int() as first, tuple() as size, tuple() as stride, *_):
            sides, steps = whole_numbers(size), whole_numbers(stride)
            if first < 0 or len(sides) != len(steps) or len(sides) > _MAX_DIMENSIONS:
                raise _damaged()
            if math.prod(sides) > MAX_NUMBERS:
                raise ConfigError(f"a tensor in it claims over {MAX_NUMBERS:,} numbers")
            return _Tensor(storage, first, sides, steps)
    raise _damaged()


def _parameter(arguments: tuple[object, ...]) -> _Tensor:
    match arguments:
        case (_Tensor() as tensor, *_):
            return tensor
    raise _damaged()


def _no_hooks(arguments: tuple[object, ...]) -> dict[object, object]:
    if arguments:
        raise ConfigError("it is refused: a tensor in it has hooks")
    return {}


def _damaged() -> ConfigError:
    return ConfigError("a tensor in it is not written as torch writes one")
