"""What a file is, told by its first bytes and never by its name."""

import io
import pickletools
import re
from typing import Literal

from cloud.imports.limits import MAX_FILE_BYTES
from cloud.imports.named_vectors import NamedVectors, named_vectors
from cloud.imports.pickle_machine import read_pickle
from cloud.imports.pickled_arrays import array_constructors
from cloud.imports.torch_file import is_torch, read_torch
from sightline.errors import ConfigError

FileKind = Literal["torch", "pickle", "text"]

_MODULE = re.compile(r"[A-Za-z_][\w.]*")


def kind_of(data: bytes) -> FileKind:
    """Tell a torch file, a pickle of any protocol, and text apart.

    Raises:
        ConfigError: It is empty, or too large for either.
    """
    if not data:
        raise ConfigError("the file is empty")
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"the file has over {MAX_FILE_BYTES // 1024**2} MB; split it")
    if is_torch(data):
        return "torch"
    if data[257:262] == b"ustar":
        raise ConfigError("it was saved by a torch before 0.1.10; save it with a later one")
    return "pickle" if _is_pickle(data) else "text"


def read_named_vectors(data: bytes) -> NamedVectors:
    """Read names and embeddings from a pickle or a torch file; nothing in it is run.

    Raises:
        ConfigError: It cannot be taken; it says why.
    """
    if kind_of(data) == "torch":
        return named_vectors(read_torch(data))
    return named_vectors(read_pickle(io.BytesIO(data), array_constructors()))


def _is_pickle(data: bytes) -> bool:
    if data[:1] == b"\x80":  # no text in UTF-8 begins so
        return True
    if data[:1] not in (b"(", b"]", b"}", b"c"):
        return False
    # Protocols 0 and 1 have no mark of their own. The first two steps tell: no CSV's header is
    # a module's name and then another line that names something.
    try:
        steps = pickletools.genops(data)
        first, second = next(steps), next(steps)
    except (ValueError, OverflowError, StopIteration):
        return False
    if first[0].name == "GLOBAL":
        module, _, name = str(first[1]).partition(" ")
        return bool(_MODULE.fullmatch(module) and _MODULE.fullmatch(name))
    return second[0].name not in ("STOP", "POP")
