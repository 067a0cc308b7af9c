"""Embeddings as a search wants them: sorted by person, with bytes that are nearly the same."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.faces.products import ZERO, Bytes
from sightline.faces.texts import Texts

Embeddings = NDArray[np.float32]  # (n, d)
Run = tuple[str, str, Embeddings]  # a person's id, the mark of their state, and their rows (k, d)

BLOCK = 32_768  # rows at a time: what is worked out of them stays in the second-level cache
# Rows; fewer are compared in single precision. From about 4,000 on, OpenBLAS would share that out
# among threads, which on a busy machine wait for one another: 11 ms (p90) instead of 0.3.
COARSE_FROM = 2_048
MAX_DIMENSION = 2_048  # 127 * 63 * 127 times this is within 32 bits
LARGEST = 1e9  # no network's numbers come near, and squares of such still fit float32

_LARGEST_BYTE = 127


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coarse:
    """What rows are nearly: `scales` times `codes`, and how far off that is."""

    codes: Bytes = field(repr=False)  # (n, d), `products.ZERO` for nought
    scales: NDArray[np.float32] = field(repr=False)  # (n,)
    errors: NDArray[np.float32] = field(repr=False)  # (n,) at most this far from the row itself


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """Rows of people who each have all of theirs here, one after another. Never changes."""

    rows: Embeddings = field(repr=False)  # (n, d); may be memory-mapped
    places: NDArray[np.int32] = field(repr=False)  # (n,) of each row's person, never falling
    names: Texts = field(repr=False)  # a person's id, by place
    marks: Texts = field(repr=False)  # what the maker knew them by, by place
    squares: NDArray[np.float32] = field(repr=False)  # (n,) lengths squared, of the codes if any
    coarse: Coarse | None = field(repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    def span(self, place: int) -> slice:
        """Tell where the rows of the person at *place* are."""
        start, stop = np.searchsorted(self.places, (place, place + 1))
        return slice(int(start), int(stop))

    def runs(self, gone: Iterable[int] = ()) -> Iterator[Run]:
        """Go through everybody but the places *gone*, in order."""
        left_out = set(gone)
        stops = np.searchsorted(self.places, np.arange(len(self.names)), side="right").tolist()
        start = 0
        for place, stop in enumerate(stops):
            if place not in left_out:
                yield self.names[place], self.marks[place], self.rows[start:stop]
            start = stop


def make_part(runs: Iterable[Run], dimension: int, *, coarse_from: int = COARSE_FROM) -> Part:
    """Put people together, in memory; with bytes beside them from *coarse_from* rows on.

    Raises:
        ValueError: Rows are not (k, d) float32 for that *dimension*, or hold what is no number; or
            somebody comes twice.
    """
    given = [(name, mark, checked(name, rows, dimension)) for name, mark, rows in runs]
    counts = [len(rows) for _, _, rows in given]
    if len({name for name, _, _ in given}) < len(given):
        raise ValueError("somebody comes twice: each person's rows go together")
    empty = np.empty((0, dimension), np.float32)
    rows = np.concatenate([rows for _, _, rows in given]) if given else empty
    coarse, squares = None, squared_lengths(rows)
    if len(rows) >= max(coarse_from, 1):
        blocks, lengths = zip(*(encode(rows[i : i + BLOCK]) for i in _starts(rows)), strict=True)
        squares = np.concatenate(lengths)
        coarse = Coarse(
            codes=np.concatenate([each.codes for each in blocks]),
            scales=np.concatenate([each.scales for each in blocks]),
            errors=np.concatenate([each.errors for each in blocks]),
        )
    return Part(
        rows=rows,
        places=np.repeat(np.arange(len(given), dtype=np.int32), counts),
        names=Texts.of(name for name, _, _ in given),
        marks=Texts.of(mark for _, mark, _ in given),
        squares=squares,
        coarse=coarse,
    )


def checked(name: str, rows: Embeddings, dimension: int) -> Embeddings:
    """Return *rows* if they can be somebody's.

    Raises:
        ValueError: They cannot.
    """
    if rows.ndim != 2 or rows.shape[1] != dimension or rows.dtype != np.float32:
        found = f"{rows.dtype} {rows.shape}"
        raise ValueError(f"the embeddings of {name} are {found}, not float32 (n, {dimension})")
    if not (np.abs(rows) < LARGEST).all():  # false of what is no number, too
        raise ValueError(f"an embedding of {name} holds what is no number, or too large a one")
    return rows


def encode(rows: Embeddings) -> tuple[Coarse, NDArray[np.float32]]:
    """Find the nearest bytes to *rows*, a scale a row, and bound what that leaves out.

    Returns:
        The bytes, and the squared lengths of what they stand for.
    """
    largest = np.abs(rows).max(axis=1, initial=0)
    scales = np.maximum(largest / np.float32(_LARGEST_BYTE), np.finfo(np.float32).tiny)
    whole = np.rint(rows / scales[:, None]).clip(-_LARGEST_BYTE, _LARGEST_BYTE)
    stands_for = whole.astype(np.float64) * scales[:, None].astype(np.float64)
    errors = np.sqrt(((rows - stands_for) ** 2).sum(axis=1)).astype(np.float32)
    coarse = Coarse(
        codes=(whole + ZERO).astype(np.uint8),
        scales=scales,
        errors=np.nextafter(errors, np.float32(np.inf)),  # rounded up: it remains a bound
    )
    return coarse, squared_lengths(stands_for)


def squared_lengths(rows: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Sum the squares of each row, in double precision."""
    squares: NDArray[np.float64] = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    return squares.astype(np.float32)


def _starts(rows: Embeddings) -> range:
    return range(0, len(rows), BLOCK)
