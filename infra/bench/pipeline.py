"""The whole pipeline, measured: latency, endurance, a burst."""

import json
import signal
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from infra.demo import clip as clips
from infra.demo.rehearsal import KNOWN, THING, Rehearsal, portrait, read_report
from infra.operating.operator_client import OperatorClient
from infra.provisioning.operators import broker_of
from sightline import wire
from sightline.keys import frame_key, new_frame_id
from sightline.messages import FrameCaptured, FrameRecognized, decode, encode
from sightline.topics import every, topic

Say = Callable[[str], None]

FUNCTION = "sightline-recognize"
ONE_FACE = (clips.Scene(seconds=10, names=(KNOWN,)),)
WARM_UP_FRAMES = 5
INFERENCE = ("cloud.detect", "cloud.embed")
ANSWER_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage's latencies."""

    name: str
    p50_ms: float
    p95_ms: float
    share: float | None  # of the whole way, by sums; None for what overlaps with another


@dataclass(frozen=True, slots=True, kw_only=True)
class Endurance:
    """What came of a steady stream of frames."""

    seconds: float
    captured: int
    answered: int
    dropped: int
    unanswered: int
    answered_again: int  # results that were sent a second time
    answered_twice_as_new: int
    memory_mb: Mapping[str, tuple[float, float]]  # by process: at the start, at the end
    stages: Sequence[Stage]
    not_inference_p50_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """What came of many references at once."""

    sent: int
    answered: int
    answered_twice_as_new: int
    seconds: float
    workers: int
    most_at_once: int


def endure(rehearsal: Rehearsal, *, seconds: float, say: Say) -> Endurance:
    """Play one moving face to the agent at two frames a second."""
    clip, report = rehearsal.folder / "one-face.mp4", rehearsal.folder / "report.jsonl"
    clips.make_clip(clip, {KNOWN: portrait(KNOWN)}, ONE_FACE)
    agent = rehearsal.start_agent(clip, report, "--loop", "--seconds", str(seconds), quiet=True)
    try:
        # The start counts from when everybody has worked a while: imports and caches are filled.
        time.sleep(min(20.0, seconds / 3))
        before = _memory(rehearsal, agent.pid)
        _count_down(seconds - min(20.0, seconds / 3) - 1, say)
        after = _memory(rehearsal, agent.pid)
        agent.wait(60)
    finally:
        if agent.poll() is None:
            agent.send_signal(signal.SIGTERM)
            agent.wait(20)
    read = read_report(report)
    new = Counter(row["frame_id"] for row in read.rows if not row["result"].get("repeat", False))
    rows = [row for row in read.rows if row["new"]][WARM_UP_FRAMES:]
    latencies = [row["latencies_ms"] for row in rows if "total" in row["latencies_ms"]]
    return Endurance(
        seconds=seconds,
        captured=read.summary["captured"],
        answered=read.summary["answered"],
        dropped=read.summary["dropped"],
        unanswered=read.summary["unanswered"],
        answered_again=read.summary["repeated"],
        answered_twice_as_new=sum(count > 1 for count in new.values()),
        memory_mb={name: (before[name], after[name]) for name in before if name in after},
        stages=_stages(latencies),
        not_inference_p50_ms=statistics.median(
            row["total"] - sum(row.get(name, 0) for name in INFERENCE) for row in latencies
        ),
    )


def burst(rehearsal: Rehearsal, *, count: int, say: Say) -> Burst:
    """Publish *count* references as fast as the broker acknowledges, and wait for their answers."""
    references = [_store_frame(rehearsal, i) for i in range(count)]
    operator = broker_of(rehearsal.target, rehearsal.folder / "operator", lambda _: None)
    wanted = {reference.frame_id for reference in references}
    new: Counter[str] = Counter()
    with OperatorClient(operator) as client:
        client.subscribe([every("results")])
        began = time.monotonic()
        for reference in references:
            client.publish(topic(THING, "frames"), encode(reference))
        say(f"{count} references published in {time.monotonic() - began:.1f} s")
        for received in client.messages(seconds=ANSWER_WITHIN_S):
            result = decode(FrameRecognized, received.payload)
            new[result.frame_id] += not result.repeat
            if wanted <= new.keys():
                break
        took_s = time.monotonic() - began
        for received in client.messages(seconds=2):  # what should not come any more
            result = decode(FrameRecognized, received.payload)
            new[result.frame_id] += not result.repeat
    stats = rehearsal.stack.lambda_service.stats(FUNCTION)
    return Burst(
        sent=count,
        answered=len(wanted & new.keys()),
        answered_twice_as_new=sum(times > 1 for times in new.values()),
        seconds=took_s,
        workers=rehearsal.stack.settings.workers,
        most_at_once=stats.peak_running,
    )


def bounds(steady: Endurance) -> list[tuple[str, float, float]]:
    """Name the figures that are to be reached on two cores: what, measured, at most."""
    total = next(stage for stage in steady.stages if stage.name == "total")
    return [
        ("captured → result, p50", total.p50_ms, 250),
        ("captured → result, p95", total.p95_ms, 500),
        ("all but inference, p50", steady.not_inference_p50_ms, 100),
    ]


def write(path: Path, results: Sequence[Endurance | Burst]) -> None:
    """Write the figures as JSON, a line each, with the machine they were taken on."""
    machine = {"cores": psutil.cpu_count(), "at": wire.write_time(datetime.now(UTC))}
    lines = [
        json.dumps({"kind": type(each).__name__, **asdict(each), **machine}) for each in results
    ]
    path.write_text("\n".join(lines) + "\n")


def _store_frame(rehearsal: Rehearsal, number: int) -> FrameCaptured:
    """Put the same picture under a new key: each reference is then a frame of its own."""
    now = datetime.now(UTC)
    frame_id = new_frame_id(now)
    key = frame_key(THING, frame_id, now)
    rehearsal.put_frame(key, rehearsal.still(number))
    return FrameCaptured(key=key, frame_id=frame_id, captured_at=now)


def _stages(latencies: Sequence[Mapping[str, float]]) -> list[Stage]:
    names = list(dict.fromkeys(name for row in latencies for name in row))
    whole = sum(row["total"] for row in latencies)
    stages = []
    for name in names:
        values = sorted(row[name] for row in latencies if name in row)
        overlaps = name in ("answer", "publish", "total")
        stages.append(
            Stage(
                name=name,
                p50_ms=round(statistics.median(values), 1),
                p95_ms=round(values[max(0, -(-95 * len(values) // 100) - 1)], 1),
                share=None if overlaps else round(sum(values) / whole, 3),
            )
        )
    return stages


def _memory(rehearsal: Rehearsal, agent: int) -> dict[str, float]:
    """Resident megabytes of each process that takes part."""
    pids = {"agent": agent, **rehearsal.stack.facts.pids}
    for i, pid in enumerate(rehearsal.stack.lambda_service.worker_pids(FUNCTION)):
        pids[f"function worker {i + 1}"] = pid
    return {
        name: round(psutil.Process(pid).memory_info().rss / 1e6, 1) for name, pid in pids.items()
    }


def _count_down(seconds: float, say: Say) -> None:
    end = time.monotonic() + seconds
    while (left_s := end - time.monotonic()) > 0:
        time.sleep(min(60.0, left_s))
        if left_s > 60:
            say(f"{left_s - 60:.0f} s to go")


def as_rows(values: Sequence[Stage]) -> list[tuple[str, str, str, str]]:
    """Lay stages out for a table."""
    return [
        (
            stage.name,
            f"{stage.p50_ms:.1f}",
            f"{stage.p95_ms:.1f}",
            "" if stage.share is None else f"{stage.share:.0%}",
        )
        for stage in values
    ]
