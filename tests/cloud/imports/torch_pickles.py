"""Pickles as torch writes them, and as it would not, where there is no torch."""

import io
import pickle
from collections.abc import Callable
from typing import ClassVar


class Id:
    def __init__(self, value: object) -> None:
        self.value = value


class Named:
    """A name in a pickle, of a module that is not here."""

    def __init__(self, name: str) -> None:
        self.name = name

    def write(self, pickler: pickle._Pickler) -> None:  # type: ignore[name-defined]
        module, name = self.name.rsplit(".", 1)
        pickler.write(f"c{module}\n{name}\n".encode())


class _Pickler(pickle._Pickler):  # type: ignore[name-defined,misc]
    """Writes `Id` as a persistent id, and `Named` as a name."""

    dispatch: ClassVar[dict[type, Callable[..., None]]] = {
        **pickle._Pickler.dispatch,  # type: ignore[attr-defined]
        Named: lambda self, named: named.write(self),
    }

    def persistent_id(self, value: object) -> object:
        return value.value if isinstance(value, Id) else None


class Made:
    """A call, of names and arguments that are given."""

    def __init__(self, *arguments: object, name: str = "torch._utils._rebuild_tensor_v2") -> None:
        self._arguments = arguments
        self._name = name

    def write(self, pickler: pickle._Pickler) -> None:  # type: ignore[name-defined]
        Named(self._name).write(pickler)
        pickler.save(self._arguments)
        pickler.write(b"R")


_Pickler.dispatch[Made] = lambda self, made: made.write(self)


def pickled(value: object) -> bytes:
    file = io.BytesIO()
    _Pickler(file, 2).dump(value)
    return file.getvalue()
