"""A gallery in one file, which a search reads where it lies (memory-mapped).

The file is a copy of what the people's tables hold, so that a process need not read all of them
when it starts. It is written under another name first, and so is whole or not there; one that is
damaged all the same is refused, and whoever reads it makes it anew from the tables.

    8 bytes  "SLGALLRY"
    4        length of the header, little-endian
    32       SHA-256 of the header
    header   JSON: format, engine, version, dimension, rows, people, and of each section its name,
             type, shape, place in the file and SHA-256
    sections each from a whole number of `ALIGNMENT`; numbers are little-endian
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from sightline.errors import ModelError
from sightline.faces.gallery_index import GalleryIndex
from sightline.faces.gallery_part import (
    BLOCK,
    COARSE_FROM,
    LARGEST,
    Coarse,
    Part,
    encode,
    make_part,
    squared_lengths,
)
from sightline.faces.texts import Texts

MAGIC = b"SLGALLRY"
FORMAT = 1
ALIGNMENT = 4_096  # a page, so that a mapped section begins at one

_HEADER_BYTES = 65_536  # at most; ours have two thousand
_TYPES = {
    "rows": "<f4",
    "places": "<i4",
    "squares": "<f4",
    "codes": "|u1",
    "scales": "<f4",
    "errors": "<f4",
    "names": "|u1",
    "name_ends": "<i8",
    "marks": "|u1",
    "mark_ends": "<i8",
}
_COARSE = ("codes", "scales", "errors")


class GalleryFileError(ModelError):
    """A gallery's file is missing, damaged, or of another engine: make it anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    name: str
    shape: tuple[int, ...]
    offset: int

    @property
    def length(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(_TYPES[self.name]).itemsize


def write_gallery(index: GalleryIndex, path: Path) -> None:
    """Write *index* to *path*, whole or not at all. Memory is bounded, however many there are.

    Raises:
        GalleryFileError: The file cannot be written; what was there is as it was.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with os.fdopen(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o600), "w+b") as file:
            _write(index, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as err:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise GalleryFileError(f"{path} cannot be written: {err.strerror or err}") from err


def open_gallery(path: Path, *, engine: str, dimension: int) -> GalleryIndex:
    """Map the gallery at *path*, once every byte of it is found to be what was written.

    Raises:
        GalleryFileError: It is missing, damaged, cut short, or of another engine.
    """
    try:
        data = _mapped(path)
        return _read(data, engine, dimension)
    except OSError as err:
        raise GalleryFileError(f"{path} cannot be read: {err.strerror or err}") from err
    except GalleryFileError as err:
        raise GalleryFileError(f"{path} {err}") from err
    except (KeyError, TypeError, ValueError, OverflowError) as err:
        raise GalleryFileError(f"{path} is no gallery of ours: {err!r}") from err


def _mapped(path: Path) -> NDArray[np.uint8]:
    if not path.stat().st_size:
        raise GalleryFileError("is empty")
    return np.memmap(path, np.uint8, mode="r")


def _read(data: NDArray[np.uint8], engine: str, dimension: int) -> GalleryIndex:
    header = _header(data)
    if header["format"] != FORMAT:
        raise GalleryFileError(f"has format {header['format']!r}; this program reads {FORMAT}")
    if (header["engine"], header["dimension"]) != (engine, dimension):
        found = f"{header['engine']} with {header['dimension']} numbers"
        raise GalleryFileError(f"is of the engine {found}, not {engine} with {dimension}")
    if header["length"] != len(data):
        raise GalleryFileError(f"is cut short: {len(data)} of {header['length']} bytes")
    sections = {each["name"]: _section(data, each) for each in header["sections"]}
    coarse = Coarse(**{name: sections[name] for name in _COARSE}) if "codes" in sections else None
    base = Part(
        rows=sections["rows"],
        places=sections["places"],
        names=Texts(sections["names"], sections["name_ends"]),
        marks=Texts(sections["marks"], sections["mark_ends"]),
        squares=sections["squares"],
        coarse=coarse,
    )
    if base.rows.shape != (header["rows"], dimension) or len(base.names) != header["people"]:
        raise GalleryFileError("contradicts its own header")
    if not (base.squares < dimension * LARGEST**2).all():  # false of what is no number
        raise GalleryFileError("holds embeddings with what is no number")
    return GalleryIndex(
        version=header["version"], engine=engine, base=base, added=make_part((), dimension)
    )


def _header(data: NDArray[np.uint8]) -> dict[str, Any]:
    start = len(MAGIC) + 4 + hashlib.sha256().digest_size
    head = data[: start + _HEADER_BYTES].tobytes()
    if not head.startswith(MAGIC) or len(head) < start:
        raise GalleryFileError("is no gallery")
    length = int.from_bytes(head[len(MAGIC) : len(MAGIC) + 4], "little")
    text = head[start : start + length]
    if length > _HEADER_BYTES or hashlib.sha256(text).digest() != head[len(MAGIC) + 4 : start]:
        raise GalleryFileError("is damaged, or cut short in its header")
    header: dict[str, Any] = json.loads(text)
    return header


def _section(data: NDArray[np.uint8], said: dict[str, Any]) -> NDArray[Any]:
    section = _Section(name=said["name"], shape=tuple(said["shape"]), offset=said["offset"])
    piece = data[section.offset : section.offset + section.length]
    if hashlib.sha256(piece.data).hexdigest() != said["sha256"]:
        raise GalleryFileError(f"is damaged in its {section.name}")
    array: NDArray[Any] = piece.view(np.ndarray).view(_TYPES[section.name]).reshape(section.shape)
    return array


def _write(index: GalleryIndex, file: IO[bytes]) -> None:
    names, marks = Texts.of(index.people), Texts.of(index.marks.values())
    sections = _layout(index, names, marks)
    digests: dict[str, Any] = {name: hashlib.sha256() for name in sections}
    at = {name: section.offset for name, section in sections.items()}

    def put(name: str, values: NDArray[Any]) -> None:
        data = np.ascontiguousarray(values, _TYPES[name]).reshape(-1).view(np.uint8).data
        digests[name].update(data)
        file.seek(at[name])
        at[name] += file.write(data)

    for name, texts in (("name", names), ("mark", marks)):
        put(f"{name}s", texts.data)
        put(f"{name}_ends", texts.ends)
    _put_rows(index, put, coarse="codes" in sections)
    length = max(section.offset + section.length for section in sections.values())
    header = {
        "format": FORMAT,
        "engine": index.engine,
        "version": index.version,
        "dimension": index.dimension,
        "rows": len(index),
        "people": len(names),
        "length": length,
        "sections": [
            {
                "name": name,
                "shape": section.shape,
                "offset": section.offset,
                "sha256": digests[name].hexdigest(),
            }
            for name, section in sections.items()
        ],
    }
    text = json.dumps(header).encode()
    file.truncate(length)  # if the last section is empty, nothing has made it so long
    file.seek(0)
    file.write(MAGIC + len(text).to_bytes(4, "little") + hashlib.sha256(text).digest() + text)


def _layout(index: GalleryIndex, names: Texts, marks: Texts) -> dict[str, _Section]:
    rows = len(index)
    shapes: dict[str, tuple[int, ...]] = {
        "rows": (rows, index.dimension),
        "places": (rows,),
        "squares": (rows,),
        "names": names.data.shape,
        "name_ends": names.ends.shape,
        "marks": marks.data.shape,
        "mark_ends": marks.ends.shape,
    }
    if rows >= COARSE_FROM:
        shapes |= {"codes": (rows, index.dimension), "scales": (rows,), "errors": (rows,)}
    sections = {}
    offset = ALIGNMENT
    for name, shape in shapes.items():
        sections[name] = _Section(name=name, shape=shape, offset=offset)
        offset += -(-sections[name].length // ALIGNMENT) * ALIGNMENT
    return sections


def _put_rows(
    index: GalleryIndex, put: Callable[[str, NDArray[Any]], None], *, coarse: bool
) -> None:
    for first_place, counts, rows in _blocks(index):
        places = np.arange(first_place, first_place + len(counts), dtype=np.int32)
        put("rows", rows)
        put("places", np.repeat(places, counts))
        if coarse:
            codes, squares = encode(rows)
            put("squares", squares)
            for name in _COARSE:
                put(name, getattr(codes, name))
        else:
            put("squares", squared_lengths(rows))


def _blocks(index: GalleryIndex) -> Iterator[tuple[int, list[int], NDArray[np.float32]]]:
    """Gather people until there are `BLOCK` rows: the first's place, rows of each, all rows."""
    place, waiting, count = 0, [], 0
    for _, _, rows in index.runs():
        waiting.append(rows)
        count += len(rows)
        if count >= BLOCK:
            yield place, [len(each) for each in waiting], np.concatenate(waiting)
            place, waiting, count = place + len(waiting), [], 0
    if waiting:
        yield place, [len(each) for each in waiting], np.concatenate(waiting)
