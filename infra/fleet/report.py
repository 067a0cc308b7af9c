"""What a fleet's run came to, in rows for people and in JSON for programs."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from device.journal import percentile
from infra.fleet.fleet import Outcome

_NAMED = 20  # unexplained things that are told one by one


def drops(outcome: Outcome) -> Mapping[str, int]:
    """Count the dropped frames by reason."""
    return Counter(fate.dropped for fate in outcome.fates.values() if fate.dropped)


def late_ms(outcome: Outcome) -> Mapping[str, float] | None:
    """Give p50, p95 and the most of the times from capture to result; None: there was none."""
    values = list(outcome.tally.late_ms)
    if not values:
        return None
    return {
        "p50": round(percentile(values, 0.5), 1),
        "p95": round(percentile(values, 0.95), 1),
        "max": round(max(values), 1),
    }


def rows(outcome: Outcome) -> list[tuple[str, str]]:
    """Lay the outcome out: what, and how much."""
    tally, lines, late = outcome.tally, outcome.lines, late_ms(outcome)
    seconds = outcome.end_s - outcome.begin_s
    repeats = sum(fate.cloud_repeats for fate in outcome.fates.values())
    late_answers = sum(bool(f.dropped and f.new) for f in outcome.fates.values())
    found = [
        ("frames captured", f"{tally.captured}"),
        ("answered once", f"{tally.answered}"),
        ("dropped, and counted", f"{tally.dropped}"),
        *((f"  {why}", f"{count}") for why, count in sorted(drops(outcome).items())),
        ("unexplained", f"{len(outcome.unexplained)}"),
        ("faces with a wrong name", f"{len(outcome.misnamed)}"),
        ("answers sent again, as repeats", f"{repeats}"),
        ("answers that came after the drop", f"{late_answers}"),
    ]
    if late is not None:
        said = f"{late['p50']:.0f} / {late['p95']:.0f} / {late['max']:.0f} ms"
        found.append(("captured → result, p50 / p95 / max", said))
    return [
        *found,
        ("reconnects", f"{outcome.reconnects}"),
        (
            "connections: made, cut, reset, half-open",
            f"{lines.connections}, {lines.closed}, {lines.reset}, {lines.half_open}",
        ),
        ("pieces that came late, as if lost", f"{lines.late}"),
        ("sent, received", f"{lines.bytes_up / 1e6:.1f} MB, {lines.bytes_down / 1e6:.1f} MB"),
        (
            f"agents, {outcome.plan.processes} processes",
            f"{outcome.agents_bytes / 1e6:.0f} MB, {outcome.agents_cpu_s / seconds:.2f} cores",
        ),
    ]


def named(outcome: Outcome) -> list[str]:
    """Name what should not be, as many as anybody reads."""
    found = [*outcome.unexplained, *outcome.misnamed, *outcome.left_behind]
    more = len(found) - _NAMED
    return [*found[:_NAMED], *([f"… and {more} more"] if more > 0 else [])]


def write_json(path: Path, outcome: Outcome, **facts: object) -> None:
    """Write all of it, a frame's fate each by its id; times are seconds since the begin."""
    path.write_text(json.dumps(_plain(outcome) | facts, indent=1) + "\n")


def _plain(outcome: Outcome) -> dict[str, Any]:
    plan, begin_s = outcome.plan, outcome.begin_s
    return {
        "devices": plan.devices,
        "seconds": plan.seconds,
        "fps": plan.fps,
        "faults": plan.faults,
        "seed": plan.seed,
        "captured": outcome.tally.captured,
        "answered": outcome.tally.answered,
        "dropped": drops(outcome),
        "unexplained": list(outcome.unexplained),
        "misnamed": list(outcome.misnamed),
        "left_behind": list(outcome.left_behind),
        "late_ms": late_ms(outcome),
        "reconnects": outcome.reconnects,
        "lines": asdict(outcome.lines),
        "agents_bytes": outcome.agents_bytes,
        "agents_cpu_s": round(outcome.agents_cpu_s, 2),
        "weather": {
            thing: [(round(at_s - begin_s, 3), each.name) for at_s, each in history]
            for thing, history in outcome.weather.items()
        },
        "frames": {
            frame_id: {
                "device": fate.device,
                "captured_s": _since(fate.captured_s, begin_s),
                "answered_s": _since(fate.answered_s, begin_s),
                "dropped": fate.dropped or None,
                "total_ms": fate.total_ms,
                "names": [face.name for face in fate.named],
            }
            for frame_id, fate in sorted(outcome.fates.items())
        },
    }


def _since(at_s: float | None, begin_s: float) -> float | None:
    return None if at_s is None else round(at_s - begin_s, 3)


def policy(max_age_s: float, max_frames: int, answer_timeout_s: float) -> str:
    """State when a frame may be dropped."""
    return (
        f"a frame may be dropped when it is {max_age_s / 3600:g} h old, or when {max_frames} newer "
        f"ones wait; one that is not answered within {answer_timeout_s:g} s is sent again"
    )
