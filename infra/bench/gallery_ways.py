"""The ways of searching that `infra.bench.gallery` compares."""

import importlib
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.faces.gallery_file import open_gallery, write_gallery
from sightline.faces.gallery_index import GalleryIndex
from sightline.faces.gallery_part import Run
from sightline.faces.matcher import Gallery

Embeddings = NDArray[np.float32]
Two = tuple[int, int]  # the nearest person and the next, by number
Search = Callable[[Embeddings], Sequence[Two]]  # (m, d) -> m answers
Way = Callable[[Embeddings, Path], Search]  # from the embeddings, and a folder for files

ROWS_A_PERSON = 2
NUMPY = "numpy float32"
OURS = "sightline"

_FILE, _ENGINE = "gallery", "bench"
_PLAIN_UP_TO = 13_000_000  # numbers: it keeps them in double precision
_GRAPH_UP_TO = 13_000_000  # numbers: building its graph takes a minute for each ten million
_NEIGHBOURS = 2 * ROWS_A_PERSON  # rows that surely hold two people


def _with_numpy(gallery: Embeddings, _: Path) -> Search:
    squares = np.square(gallery).sum(axis=1)
    starts = np.arange(0, len(gallery), ROWS_A_PERSON)

    def search(probes: Embeddings) -> list[Two]:
        # One product of two matrices a few faces; of one face, of a matrix and a vector.
        distances = squares - 2 * (gallery @ probes.T).T
        return [two_nearest(row) for row in np.minimum.reduceat(distances, starts, axis=1)]

    return search


def _plain(gallery: Embeddings, _: Path) -> Search:
    ids = tuple(str(i // ROWS_A_PERSON) for i in range(len(gallery)))
    plain = Gallery(version=1, engine=_ENGINE, embeddings=gallery, person_ids=ids)
    return lambda probes: [two_nearest(row) for row in plain.distances(probes)]


def write_ours(gallery: Embeddings, folder: Path) -> None:
    """Write the file that `OURS` searches."""

    def runs() -> Iterator[Run]:
        for i in range(0, len(gallery), ROWS_A_PERSON):
            yield str(i // ROWS_A_PERSON), "", gallery[i : i + ROWS_A_PERSON]

    made = GalleryIndex.of(runs(), version=1, engine=_ENGINE, dimension=gallery.shape[1])
    write_gallery(made, folder / _FILE)


def _ours(gallery: Embeddings, folder: Path) -> Search:
    index = open_gallery(folder / _FILE, engine=_ENGINE, dimension=gallery.shape[1])

    def search(probes: Embeddings) -> list[Two]:
        # Who the next person is, it does not say: their distance is what the margin needs. The
        # comparison with the truth is by that.
        return [
            (int(found.person_id), distance_key(found.next_distance)) if found else (-1, -1)
            for found in index.nearest(probes)
        ]

    return search


def distance_key(distance: float | None) -> int:
    """Make a distance comparable: a millionth is one."""
    return -1 if distance is None else round(distance * 1e6)


def _people(rows: Sequence[int]) -> Two:
    found = list(dict.fromkeys(int(row) // ROWS_A_PERSON for row in rows))
    return found[0], found[1] if len(found) > 1 else -1


def _usearch_exact(gallery: Embeddings, _: Path) -> Search:
    usearch = importlib.import_module("usearch.index")

    def find(probes: Embeddings) -> list[Two]:
        found = usearch.search(
            gallery, probes, _NEIGHBOURS, usearch.MetricKind.L2sq, exact=True, threads=1
        )
        return [_people(keys) for keys in np.atleast_2d(found.keys)]

    return find


def _usearch_graph(gallery: Embeddings, _: Path) -> Search:
    usearch = importlib.import_module("usearch.index")
    graph = usearch.Index(ndim=gallery.shape[1], metric="l2sq", dtype="f32", expansion_search=256)
    graph.add(np.arange(len(gallery)), gallery, threads=1)

    def find(probes: Embeddings) -> list[Two]:
        found = graph.search(probes, _NEIGHBOURS, threads=1)
        return [_people(keys) for keys in np.atleast_2d(found.keys)]

    return find


def _faiss_exact(gallery: Embeddings, _: Path) -> Search:
    faiss = importlib.import_module("faiss")
    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatL2(gallery.shape[1])
    index.add(gallery)
    return lambda probes: [_people(rows) for rows in index.search(probes, _NEIGHBOURS)[1]]


def ways(numbers: int) -> Iterator[tuple[str, Way]]:
    """Give those that are installed, and bearable for so many numbers."""
    yield NUMPY, _with_numpy
    if numbers <= _PLAIN_UP_TO:
        yield "plain gallery", _plain
    yield OURS, _ours
    if importlib.util.find_spec("usearch"):
        yield "usearch exact", _usearch_exact
        if numbers <= _GRAPH_UP_TO:
            yield "usearch graph", _usearch_graph
    if importlib.util.find_spec("faiss"):
        yield "faiss exact", _faiss_exact


def two_nearest(people: NDArray[Any]) -> Two:
    """Find the two least of *people* (n,) distances."""
    first, second = np.argpartition(people, 1)[:2]
    return int(first), int(second)
