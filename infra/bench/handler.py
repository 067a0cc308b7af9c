"""What the handler adds to the networks' time, warm: everything but AWS itself.

The handler runs as on Lambda, from the event to the answer, with the real networks, gallery, log
and metrics; S3, DynamoDB and AWS IoT are stood in for by the process's own memory. What is left
when the time in the networks is taken off is ours: reading the event, decoding the JPEG, matching,
writing the answer, logging and counting.
"""

import json
import logging
import os
import statistics
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from cloud.gallery import GalleryCache
from cloud.intake import read_event
from cloud.memory import MemoryFrames, MemoryRegister, MemoryResults, MemorySightings
from cloud.metrics import EmbeddedMetrics
from cloud.recognition import Ports, Recognition
from cloud.recognize import handle
from cloud.register import Change, EnrolledFace, EnrolledPerson
from infra.bench.pictures import write_pictures
from sightline.faces.loading import load_recognizer
from sightline.messages import FrameRecognized, decode

DEVICE = "front-door"
INFERENCE = ("detect", "embed")
ENROLLED = 200
MOST_MS = 15.0
_WARM_UP = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One part of a frame's time, in milliseconds."""

    name: str
    p50_ms: float
    p95_ms: float


def measure(*, engine: str, folder: Path | None, frames: int) -> list[Row]:
    """Serve *frames* frames of 1280×720 with one face; the whole, its stages, and what is ours."""
    recognizer = load_recognizer(engine, folder=folder, smallest_face_px=40, threads=1)
    engine_facts = recognizer.engine
    store, results = MemoryFrames(), MemoryResults()
    register = _register(engine_facts.id, engine_facts.dimension)
    with open(os.devnull, "w") as nowhere, _logging_to(nowhere):  # noqa: PTH123 - a device
        recognition = Recognition(
            Ports(
                frames=store,
                sightings=MemorySightings(),
                results=results,
                gallery=GalleryCache(
                    register, engine=engine_facts.id, dimension=engine_facts.dimension
                ),
                recognizer=recognizer,
                engine=engine_facts,
                metrics=EmbeddedMetrics("bench", stream=nowhere, now=lambda: datetime.now(UTC)),
            ),
            sighting_days=90,
            now=lambda: datetime.now(UTC),
            sleep=time.sleep,
        )
        rows = []
        for number, picture in zip(range(_WARM_UP + frames), _pictures(), strict=False):
            key = f"frames/{DEVICE}/2026/11/21/{number}.jpg"
            store.put(key, picture)
            event = _event(key)
            began = time.perf_counter()
            handle(event, lambda: recognition, lambda: results)
            took_ms = (time.perf_counter() - began) * 1000
            rows.append(_stages(took_ms, results.sent.pop()[1]))
    return _summed(rows[_WARM_UP:])


def overhead(rows: Sequence[Row]) -> float:
    """The median of what is ours."""
    return next(row.p50_ms for row in rows if row.name == "all but networks")


def as_rows(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    """Lay the rows out for a table."""
    return [(row.name, f"{row.p50_ms:.2f}", f"{row.p95_ms:.2f}") for row in rows]


def _stages(took_ms: float, payload: bytes) -> dict[str, float]:
    result = decode(FrameRecognized, payload)
    if len(result.faces) != 1:
        raise AssertionError(f"{len(result.faces)} faces were found in a picture of one")
    timings = {name: ms for name, ms in result.timings_ms.items() if name != "queue"}
    inference = sum(timings[name] for name in INFERENCE)
    return {
        **timings,
        "rest": took_ms - sum(timings.values()),
        "all but networks": took_ms - inference,
        "whole": took_ms,
    }


def _summed(rows: Sequence[Mapping[str, float]]) -> list[Row]:
    made = []
    for name in rows[0]:
        values = sorted(row[name] for row in rows)
        p95 = values[max(0, -(-95 * len(values) // 100) - 1)]
        made.append(Row(name=name, p50_ms=statistics.median(values), p95_ms=p95))
    return made


def _pictures() -> Iterator[bytes]:
    """The same few frames for ever."""
    with tempfile.TemporaryDirectory(prefix="sightline-bench-") as scratch:
        write_pictures(Path(scratch))
        pictures = [path.read_bytes() for path in sorted((Path(scratch) / "one").iterdir())]
    while True:
        yield from pictures


def _event(key: str) -> dict[str, Any]:
    """What the topic rule selects of a device's whole reference."""
    now = datetime.now(UTC)
    payload = {
        "key": key,
        "captured_at": now.isoformat(),
        "width": 1280,
        "height": 720,
        "gate": {"motion": 0.041, "faces": 1},
    }
    event = {
        "payload": b64encode(json.dumps(payload).encode()).decode(),
        "topic": f"sightline/v1/{DEVICE}/frames",
        "client": DEVICE,
        "received_ms": int(now.timestamp() * 1000),
    }
    read_event(event)
    return event


def _register(engine: str, dimension: int) -> MemoryRegister:
    """Enrol strangers with made-up faces, all far from everybody."""
    register, rng, now = MemoryRegister(), np.random.default_rng(0), datetime.now(UTC)
    for number in range(ENROLLED):
        id_ = f"person-{number}"
        face = EnrolledFace(
            person_id=id_,
            id="1",
            engine=engine,
            embedding=rng.normal(size=dimension).astype(np.float32),
            photo_sha256="",
            side_px=90.0,
            sharpness=100.0,
            added_at=now,
        )
        person = EnrolledPerson(id=id_, name=id_, record={}, created_at=now, updated_at=now)
        register.write(Change(person_id=id_, expected=None, person=person, added=(face,)))
    return register


@contextmanager
def _logging_to(stream: Any) -> Iterator[None]:
    """Log as the function does, at Lambda's own level, to where nobody reads."""
    log, handler = logging.getLogger("cloud"), logging.StreamHandler(stream)
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
