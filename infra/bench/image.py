"""The functions' container, put together without Docker: its size, and how soon it answers."""

import gzip
import io
import os
import statistics
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from cloud.sightings_table import SightingsTable
from infra import image
from infra.bench.cold_start import write_frame
from infra.demo.rehearsal import THING, Rehearsal
from infra.imaging.layout import ARCHITECTURES, MOST_MB, PARTS, Architecture, Layout
from infra.imaging.run import ContainerRun, deployed_environment, frame_event
from sightline.errors import ConfigError
from sightline.faces.cache import cache_folder
from sightline.keys import frame_key, new_frame_id

HANDLER = "cloud.recognize.handler"
COLUMNS = ("architecture", "part", "installed MB", "compressed MB")
MOST_MS = 1000  # to the first answer, on one core
_LEVEL = 6  # gzip's, as docker compresses a layer to push it

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One part of the image, in bytes; `compressed` is an estimate of what is pushed."""

    part: str
    installed: int
    compressed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One cold start: milliseconds since before the process was made."""

    ready_ms: float  # it asks for its first event
    answered_ms: float  # the frame is recognised, stored and published
    processor_ms: float  # of that, the processor's: what neighbours on the machine add to least


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What `measure` found."""

    sizes: Mapping[Architecture, Sequence[Size]]
    starts: Sequence[Start]

    def megabytes(self, architecture: Architecture) -> float:
        """Installed, all parts together."""
        return sum(size.installed for size in self.sizes[architecture]) / 1e6


def measure(
    scratch: Path, *, engine: str, folder: Path | None, runs: int, others: bool, say: Say
) -> Results:
    """Put the container together in *scratch*, weigh it, and start its handler *runs* times.

    Args:
        scratch: Takes about a gigabyte.
        engine: Its name.
        folder: Where it lies; by default the user's cache.
        runs: Cold starts.
        others: Whether to weigh it for the architectures that this machine is none of, too.
        say: Told how far it is.

    Raises:
        ConfigError: It cannot be made, or does not start.
        ModelError: The engine is not here.
    """
    own = image.this_architecture()
    weights, layouts = {}, {}
    for architecture in (own, *(each for each in ARCHITECTURES if others and each != own)):
        layouts[architecture] = image.assemble(
            scratch / architecture,
            engine=engine,
            engine_folder=folder or cache_folder(),
            say=say,
            architecture=architecture,
        )
        weights[architecture] = sizes(layouts[architecture])
    starts = cold_starts(scratch, layouts[own], runs=runs, say=say)
    return Results(sizes=weights, starts=starts)


def as_rows(results: Results) -> list[tuple[str, ...]]:
    """A row a part of each architecture."""
    return [
        (architecture, size.part, f"{size.installed / 1e6:.1f}", f"{size.compressed / 1e6:.1f}")
        for architecture, parts in results.sizes.items()
        for size in parts
    ]


def bounds(results: Results) -> list[tuple[str, float, int | None, str]]:
    """What, measured, at most (None: for comparison), unit.

    Of the starts the best one counts: other processes can only add to it.
    """
    best = min(results.starts, key=lambda start: start.answered_ms)
    median = statistics.median(start.answered_ms for start in results.starts)
    return [
        *(
            (f"installed, {architecture}", results.megabytes(architecture), MOST_MB, "MB")
            for architecture in results.sizes
        ),
        ("first frame answered, best", best.answered_ms, MOST_MS, "ms"),
        ("  until it asked for one", best.ready_ms, None, "ms"),
        ("  processor time", min(start.processor_ms for start in results.starts), None, "ms"),
        ("  median", median, None, "ms"),
    ]


def sizes(layout: Layout) -> list[Size]:
    """Weigh every part."""
    return [
        Size(part=name, installed=installed, compressed=_compressed(layout.place(PARTS[name])))
        for name, installed in layout.sizes.items()
    ]


def cold_starts(scratch: Path, layout: Layout, *, runs: int, say: Say) -> list[Start]:
    """Start the handler *runs* times, each with a frame that waits for it.

    S3, DynamoDB and IoT's publish are MiniStack's, on this machine; it may use all cores.

    Raises:
        ConfigError: A start fails; the text ends with what the function said.
    """
    core = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    picture = scratch / "frame.jpg"
    write_frame(picture)
    starts = []
    with Rehearsal(scratch, workers=1, say=say) as rehearsal:
        target, data = rehearsal.target, picture.read_bytes()
        s3, bucket = target.client("s3"), target.output("MediaBucket")
        sightings = SightingsTable(target.client("dynamodb"), target.output("SightingsTable"))
        for i in range(runs + 1):  # the first one only brings the files into the page cache
            say(f"start {i} of {runs} …" if i else "a first one, which does not count …")
            now = datetime.now(UTC)
            frame_id = new_frame_id(now)
            key = frame_key(THING, frame_id, now)
            s3.put_object(Bucket=bucket, Key=key, Body=data)
            disk = scratch / f"disk-{i}"
            disk.mkdir()
            environment = deployed_environment(target, layout, disk)
            start = _start(layout, environment, frame_event(THING, key), core)
            answer = sightings.find(THING, frame_id)
            if answer is None or len(answer.faces) != 1:
                raise ConfigError(f"the assembled function answered otherwise: {answer}")
            starts += [start] if i else []
    return starts


def _start(layout: Layout, environment: Mapping[str, str], event: bytes, core: int | None) -> Start:
    run = ContainerRun(layout, HANDLER, environment, core=core)
    began = time.perf_counter()
    with run:
        error = run.start_error()
        ready_ms = (time.perf_counter() - began) * 1000
        if error is not None:
            raise ConfigError(f"the assembled function does not start: {error.strip()[-300:]}")
        outcome = run.invoke(event)
        answered_ms = (time.perf_counter() - began) * 1000
        times = psutil.Process(run.pid).cpu_times()
    if outcome.error is not None:
        raise ConfigError(f"the assembled function did not answer: {run.output.strip()[-300:]}")
    return Start(
        ready_ms=ready_ms,
        answered_ms=answered_ms,
        processor_ms=(times.user + times.system) * 1000,
    )


class _Counter(io.RawIOBase):
    """A file that keeps only how much was written to it."""

    def __init__(self) -> None:
        self.count = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self.count += len(memoryview(data))
        return len(memoryview(data))


def _compressed(folder: Path) -> int:
    counter = _Counter()
    with (
        gzip.GzipFile(fileobj=counter, mode="wb", compresslevel=_LEVEL) as packed,
        tarfile.open(fileobj=packed, mode="w|") as archive,
    ):
        archive.add(folder, arcname=".")
    return counter.count
