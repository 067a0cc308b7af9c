"""One face against everybody: ours beside NumPy and, where they are installed, usearch and faiss.

    python -m infra.bench.gallery ROWS DIMENSION

measures one size and writes a line of JSON; `measure` runs that in a process of its own a size, so
that each begins with a clean memory and with its libraries told to use one core.

The embeddings are made up: unit vectors in random directions, two a person, a tenth of the distance
between strangers apart. That is the hard case for the first pass, as no direction can be left out;
real faces differ in that the nearest stranger is nearer.
"""

import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil

from infra.bench.gallery_ways import (
    NUMPY,
    OURS,
    ROWS_A_PERSON,
    Embeddings,
    Search,
    Two,
    Way,
    distance_key,
    two_nearest,
    ways,
    write_ours,
)

PROJECT = Path(__file__).parents[2]
PROBES = 16  # half of them of somebody enrolled
REPEATS = 3

_ONE_CORE = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What one way of searching took at one size."""

    rows: int
    dimension: int
    way: str
    known_ms: float  # median, one face of somebody enrolled
    stranger_ms: float  # median, one face of nobody enrolled
    eight_ms: float  # median, eight faces at once
    recall: float  # share of probes whose two nearest people are the right ones
    private_mb: float  # what the process alone comes to hold for it
    file_mb: float  # what is mapped from a file, and shared by all processes
    made_s: float  # until its file is there
    ready_s: float  # from then, or from the embeddings, until the first search can be


def measure(rows: int, dimension: int) -> list[Figure]:
    """Measure all ways at one size, in a process of its own.

    Raises:
        subprocess.CalledProcessError: It failed; its own output says why.
    """
    environment = os.environ | dict.fromkeys(_ONE_CORE, "1") | {"PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [sys.executable, "-m", "infra.bench.gallery", str(rows), str(dimension)],
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    return [Figure(**each) for each in json.loads(done.stdout)]


def as_rows(figures: Sequence[Figure]) -> list[tuple[str, ...]]:
    """Lay figures out for a table."""
    numpy_ms = {(f.rows, f.dimension): f.stranger_ms for f in figures if f.way == NUMPY}
    return [
        (
            f"{f.rows:,} × {f.dimension}",
            f.way,
            f"{numpy_ms[f.rows, f.dimension] / f.stranger_ms:.1f}",
            f"{f.known_ms:.2f}",
            f"{f.stranger_ms:.2f}",
            f"{f.eight_ms:.2f}",
            f"{f.recall:.3f}",
            f"{f.private_mb:.0f}",
            f"{f.file_mb:.0f}",
            f"{f.made_s:.1f}",
            f"{f.ready_s:.1f}",
        )
        for f in figures
    ]


COLUMNS = (
    "embeddings",
    "way",
    "numpy ÷ it",
    "known ms",
    "stranger ms",
    "8 faces ms",
    "recall",
    "private MB",
    "file MB",
    "made s",
    "ready s",
)


def _unit(rows: Embeddings) -> Embeddings:
    unit: Embeddings = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _made_up(rows: int, dimension: int) -> tuple[Embeddings, Embeddings]:
    """Make a gallery, and probes: the first half of them known."""
    rng = np.random.default_rng(rows + dimension)
    spread = np.float32(0.1 * np.sqrt(2 / dimension))
    gallery = np.empty((rows, dimension), np.float32)
    for start in range(0, rows, 2 * 8_192):
        some = gallery[start : start + 2 * 8_192]
        people = _unit(rng.standard_normal((-(-len(some) // 2), dimension), np.float32))
        noise = rng.standard_normal(some.shape, np.float32) * spread
        some[:] = _unit(np.repeat(people, ROWS_A_PERSON, axis=0)[: len(some)] + noise)
    known = gallery[rng.integers(0, rows, PROBES // 2)]
    known = known + rng.standard_normal(known.shape, np.float32) * spread
    strangers = rng.standard_normal((PROBES // 2, dimension), np.float32)
    return gallery, _unit(np.concatenate([known, strangers]))


def _truth(gallery: Embeddings, probes: Embeddings) -> list[Two]:
    """Compare everything with everything, in double precision, some rows at a time."""
    exact = probes.astype(np.float64)
    people = np.empty((len(probes), -(-len(gallery) // ROWS_A_PERSON)))
    for start in range(0, len(gallery), 4_096):
        some = gallery[start : start + 4_096].astype(np.float64)
        for probe, to in zip(exact, people, strict=True):
            gaps = np.square(some - probe).sum(axis=1)
            first = start // ROWS_A_PERSON
            nearest = np.minimum.reduceat(gaps, np.arange(0, len(gaps), ROWS_A_PERSON))
            to[first : first + len(nearest)] = nearest
    return [two_nearest(row) for row in people]


def _figure(
    way: str,
    make: Way,
    gallery: Embeddings,
    probes: Embeddings,
    truth: Sequence[Two],
) -> Figure:
    with tempfile.TemporaryDirectory(prefix="sightline-bench-") as folder:
        began = time.perf_counter()
        if way == OURS:
            write_ours(gallery, Path(folder))
        made_s = time.perf_counter() - began
        gc.collect()
        before = _private_bytes()
        began = time.perf_counter()
        search = make(gallery, Path(folder))
        ready_s = time.perf_counter() - began
        found = [search(probe[np.newaxis])[0] for probe in probes]
        known = [_time_ms(search, probe[np.newaxis]) for probe in probes[: PROBES // 2]]
        strangers = [_time_ms(search, probe[np.newaxis]) for probe in probes[PROBES // 2 :]]
        eight = [_time_ms(search, probes[-8:])]
        private = _private_bytes() - before
        file_bytes = sum(each.stat().st_size for each in Path(folder).iterdir())
    expected = _with_distances(truth, gallery, probes) if way == OURS else truth
    return Figure(
        rows=len(gallery),
        dimension=gallery.shape[1],
        way=way,
        known_ms=statistics.median(known),
        stranger_ms=statistics.median(strangers),
        eight_ms=statistics.median(eight),
        recall=statistics.mean(a == b for a, b in zip(found, expected, strict=True)),
        private_mb=max(0, private) / 1e6,
        file_mb=file_bytes / 1e6,
        made_s=made_s,
        ready_s=ready_s,
    )


def _with_distances(truth: Sequence[Two], gallery: Embeddings, probes: Embeddings) -> Iterator[Two]:
    """Put the next person's distance in their place, as `_ours` does."""
    for probe, (first, second) in zip(probes.astype(np.float64), truth, strict=True):
        theirs = gallery[second * ROWS_A_PERSON : (second + 1) * ROWS_A_PERSON]
        gaps = np.square(theirs.astype(np.float64) - probe).sum(axis=1)
        yield first, distance_key(float(np.sqrt(gaps).min()))


def _private_bytes() -> int:
    """Count what is in memory and in no file; where the system does not tell, all of it."""
    memory = psutil.Process().memory_info()
    return int(memory.rss - getattr(memory, "shared", 0))


def _time_ms(search: Search, probes: Embeddings) -> float:
    """Take the best of a few: whatever else the machine does only makes it slower."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        search(probes)
        times.append(time.perf_counter() - began)
    return min(times) * 1000


def main(rows: int, dimension: int) -> None:
    """Measure one size; write the figures to standard output."""
    gallery, probes = _made_up(rows, dimension)
    truth = _truth(gallery, probes)
    figures = []
    for way, make in ways(rows * dimension):
        sys.stderr.write(f"  {rows:,} × {dimension}: {way} …\n")
        figures.append(_figure(way, make, gallery, probes, truth))
    sys.stdout.write(json.dumps([asdict(each) for each in figures]) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
