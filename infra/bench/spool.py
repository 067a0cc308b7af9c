"""The device's spool on disk: what it costs in time, in memory and in bytes written to the card.

    python -m infra.bench.spool FOLDER FRAMES

measures in a clean process; `figures` runs that.
"""

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from device.journal import percentile
from device.spooling.disk_frames import Bounds
from device.spooling.disk_spool import DiskSpool
from device.spooling.memory_spool import MemorySpool
from device.spooling.spool import SpooledFrame
from infra.bench.gate import Figure
from sightline.keys import frame_key, new_frame_id

PROJECT = Path(__file__).parents[2]
THING = "bench"
FRAMES, JPEG_BYTES, SMALL_BYTES = 10_000, 60_000, 20_000
PUT_MS, GROWTH_MB, WRITTEN = 2.0, 2.0, 1.2

_BLOCK = 4096
_SETTLED = 1000  # frames after which memory should grow no more
_FRAMES_A_DAY = 43_200  # one every two seconds


def figures(say: Callable[[str], None] = lambda _: None, *, frames: int = FRAMES) -> list[Figure]:
    """Measure, in a process of its own, on the disk of the folder for temporary files.

    Raises:
        subprocess.CalledProcessError: It failed; its own output says why.
    """
    scratch = Path(tempfile.mkdtemp(prefix="sightline-bench-"))
    say(f"{frames:,} frames of {JPEG_BYTES / 1000:.0f} KB through a spool in {scratch} …")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "infra.bench.spool", str(scratch), str(frames)],
            env=os.environ | {"PYTHONPATH": str(PROJECT)},
            stdout=subprocess.PIPE,
            check=True,
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return [Figure(**each) for each in json.loads(done.stdout)]


def measure(folder: Path, frames: int) -> list[Figure]:
    """Measure in this process."""
    with spool_in(folder / "held") as spool:
        held = _hold(spool, folder, frames)
    began = time.perf_counter()
    with spool_in(folder / "held") as spool:
        opened_ms = (time.perf_counter() - began) * 1000
        before = _written_bytes()
        while (frame := spool.take(0)) is not None:
            _send(spool, frame)
    sent = (_written_bytes() - before) / frames / JPEG_BYTES
    live = _sent_at_once(folder / "live", frames // 10, JPEG_BYTES)
    small = _sent_at_once(folder / "small", frames // 10, SMALL_BYTES)
    written = held[-1]
    return [
        *held,
        _share("written for a frame that is sent at once", live),
        # Told, not judged: what a row and a folder's entry take is the same for any frame.
        Figure(
            what=f"written for a frame of {SMALL_BYTES / 1000:.0f} KB that is sent at once",
            value=small,
            unit="× its JPEG",
            detail=f"a disk's block has {_BLOCK:,} bytes",
        ),
        _share("written for a frame that waits, and is sent later", written.value + sent),
        Figure(
            what="written in a day of a frame every 2 s",
            value=live * JPEG_BYTES * _FRAMES_A_DAY / 1e9,
            unit="GB",
            detail="without the file system's own journal",
        ),
        Figure(what=f"opened with {frames:,} frames", value=opened_ms, unit="ms"),
    ]


def _sent_at_once(folder: Path, frames: int, size: int) -> float:
    """Give the bytes written for a byte of JPEG, of frames of that size."""
    with spool_in(folder) as spool:
        before = _written_bytes()
        for frame in _made_up(frames, size):
            spool.put(frame)
            spool.take(0)
            _send(spool, frame)
    return (_written_bytes() - before) / frames / size


def _hold(spool: DiskSpool, folder: Path, frames: int) -> list[Figure]:
    took_ms, disk_ms = list[float](), list[float]()
    before, settled_mb = _written_bytes(), 0.0
    plain_bytes = 0
    for number, frame in enumerate(_made_up(frames, JPEG_BYTES)):
        began = time.perf_counter()
        spool.put(frame)
        took_ms.append((time.perf_counter() - began) * 1000)
        if number % 20 == 0:
            at = _written_bytes()
            disk_ms.append(_disk_alone_ms(folder, frame.jpeg))
            plain_bytes += _written_bytes() - at
        if number == min(_SETTLED, frames // 2):
            settled_mb = _resident_mb()
    growth_mb = _resident_mb() - settled_mb
    written = (_written_bytes() - before - plain_bytes) / frames / JPEG_BYTES
    return [
        Figure(
            what=f"put, median of {frames:,}",
            value=percentile(took_ms, 0.5),
            unit="ms",
            most=PUT_MS,
            detail=(
                f"p95 {percentile(took_ms, 0.95):.1f}, most {max(took_ms):.0f}; the disk alone, "
                f"for such a file and its two flushes: {percentile(disk_ms, 0.5):.1f}"
            ),
        ),
        Figure(
            what=f"memory from frame {min(_SETTLED, frames // 2):,} to {frames:,}",
            value=max(0.0, growth_mb),
            unit="MB more",
            most=GROWTH_MB,
            detail=f"{_resident_mb():.0f} MB at the end",
        ),
        _share("written for a frame that is put", written),
    ]


def _send(spool: DiskSpool, frame: SpooledFrame) -> None:
    spool.mark(frame.frame_id, "uploaded")
    spool.mark(frame.frame_id, "published")
    spool.mark(frame.frame_id, "answered")


def spool_in(folder: Path) -> DiskSpool:
    """Make a spool that drops nothing."""
    bounds = Bounds(max_frames=10**6, max_bytes=10**12, max_age_s=86_400)
    return DiskSpool(folder, partial(frame_key, THING), bounds, MemorySpool())


def spooled(jpeg: bytes, digest: str | None = None) -> SpooledFrame:
    """Make a frame of now, 1280x720, of *jpeg*, whose SHA-256 may be known."""
    at = datetime.now(UTC)
    frame_id = new_frame_id(at)
    return SpooledFrame(
        frame_id=frame_id,
        key=frame_key(THING, frame_id, at),
        captured_at=at,
        captured_s=time.monotonic(),
        width=1280,
        height=720,
        size=len(jpeg),
        sha256=digest or hashlib.sha256(jpeg).hexdigest(),
        gate={"motion": 0.041, "faces": 1},
        jpeg=jpeg,
    )


def _made_up(count: int, size: int) -> Iterator[SpooledFrame]:
    jpeg = os.urandom(size)
    digest = hashlib.sha256(jpeg).hexdigest()
    for _ in range(count):
        yield spooled(jpeg, digest)


def _disk_alone_ms(folder: Path, data: bytes) -> float:
    """Time what the promise needs at least: a file and a folder that outlast a power cut."""
    began = time.perf_counter()
    descriptor = os.open(folder / "plain", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(descriptor, data)
    os.fsync(descriptor)
    os.close(descriptor)
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    return (time.perf_counter() - began) * 1000


def _share(what: str, value: float) -> Figure:
    return Figure(what=what, value=value, unit="× its JPEG", most=WRITTEN)


def _written_bytes() -> int:
    """Count what this process had written to a disk; where the system does not tell, 0."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        return 0
    return int(next(line.split()[1] for line in lines if line.startswith("write_bytes:")))


def _resident_mb() -> float:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return pages * resource.getpagesize() / 1e6


if __name__ == "__main__":
    found = measure(Path(sys.argv[1]), int(sys.argv[2]))
    sys.stdout.write(json.dumps([asdict(each) for each in found]) + "\n")
