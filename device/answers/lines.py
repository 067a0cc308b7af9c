"""Results as lines for people. Times are in UTC, as in the messages."""

import json
from collections.abc import Mapping
from datetime import datetime

from device.answers.results import Outcome
from device.journal import Summary
from sightline.messages import Face, FrameRecognized, FrameRejected

GREEN, YELLOW, RED, GREY, PLAIN = "\033[32m", "\033[33m", "\033[31m", "\033[90m", "\033[0m"

_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"  # in names of some scripts
_COLOURS = {"known": GREEN, "unknown": YELLOW, "unsure": YELLOW}
_WORDS = {
    "unknown": "nobody enrolled",
    "unsure": "unsure",
    "too_small": "too small to judge",
    "blurred": "too blurred to judge",
}


def lines(outcome: Outcome, *, colour: bool) -> list[str]:
    """Write a result: a line a face, one for an empty frame, one for a rejection."""
    message = outcome.message
    took = outcome.stages_ms.get("total")
    ending = [f"{took:.0f} ms"] if took is not None else []
    if outcome.late and outcome.age_s is not None:
        ending.append(f"(late: {_span(outcome.age_s)})")
    if not outcome.new:
        ending.append("(again)")
    if isinstance(message, FrameRejected):
        about = f"rejected: {message.reason}: {message.detail}"
        return [_line(outcome.received_at, [about, message.key or "", *ending], RED, colour)]
    if not message.faces:
        return [_line(message.captured_at, ["nobody in view", *ending], GREY, colour)]
    return [
        _line(
            message.captured_at, [*_words(face), *ending], _COLOURS.get(face.decision, GREY), colour
        )
        for face in message.faces
    ]


def machine_line(outcome: Outcome) -> str:
    """Write a result as one line of JSON, with what this device knows about it."""
    message = outcome.message
    return json.dumps(
        {
            "kind": "recognized" if isinstance(message, FrameRecognized) else "rejected",
            "frame_id": message.frame_id,
            "key": outcome.key,
            "new": outcome.new,
            "late": outcome.late,
            "age_s": None if outcome.age_s is None else round(outcome.age_s, 3),
            "received_at": outcome.received_at.isoformat(timespec="milliseconds"),
            "latencies_ms": rounded(outcome.stages_ms),
            "result": json.loads(outcome.payload),
        },
        ensure_ascii=False,
    )


def summary_lines(summary: Summary, *, every_stage: bool = False) -> list[str]:
    """Write a summary for people: how long the whole took, and each stage of it if wanted."""
    answers = [
        f"{summary.captured} frames captured, {summary.answered} answered",
        f"{summary.resumed} from before" if summary.resumed else "",
        f"{summary.rejected} rejected" if summary.rejected else "",
        f"{summary.dropped} dropped" if summary.dropped else "",
        f"{summary.overdue} overdue" if summary.overdue else "",
        f"{summary.unanswered} left unanswered" if summary.unanswered else "",
        f"{summary.repeated} answered again" if summary.repeated else "",
        f"{summary.late} answered late" if summary.late else "",
        f"{summary.strangers} results of frames dropped before, or not sent from here"
        if summary.strangers
        else "",
        f"{summary.gated} held back by the gate" if summary.gated else "",
        f"{summary.skipped} skipped" if summary.skipped else "",
    ]
    video = [
        f"{summary.recorded} frames recorded in {summary.segments} segments",
        f"{summary.unrecorded} left out" if summary.unrecorded else "",
        f"{summary.segments_uploaded} segments uploaded" if summary.segments_uploaded else "",
        f"{summary.segments_dropped} removed for newer ones" if summary.segments_dropped else "",
    ]
    found = [
        f"{count} {decision.replace('_', ' ')}" for decision, count in summary.decisions.items()
    ]
    written = [", ".join(filter(None, answers))]
    if summary.recorded or summary.unrecorded:
        written.append(", ".join(filter(None, video)))
    if found:
        written.append(f"{summary.faces} faces: {', '.join(found)}")
    for name, count in summary.people.items():
        written.append(f"  {printable(name)}: {count}")
    if (total := summary.stages.get("total")) is not None:
        written.append(f"captured → result  p50 {total.p50_ms:.0f} ms  p95 {total.p95_ms:.0f} ms")
    for stage, took in summary.stages.items() if every_stage else ():
        written.append(f"  {stage:<14} p50 {took.p50_ms:7.1f} ms   p95 {took.p95_ms:7.1f} ms")
    return written


def rounded(stages_ms: Mapping[str, float]) -> dict[str, float]:
    """Give latencies to the tenth of a millisecond."""
    return {stage: round(ms, 1) for stage, ms in stages_ms.items()}


def printable(text: str) -> str:
    """Take out what would steer a terminal: names and records come from outside."""
    return "".join(
        letter if letter.isprintable() or letter in _JOINERS else "\N{REPLACEMENT CHARACTER}"
        for letter in text
    )


def _words(face: Face) -> list[str]:
    who = [face.person.name, "known"] if face.person else [_WORDS[face.decision]]
    record = face.person.record if face.person else None
    shown = json.dumps(dict(record), ensure_ascii=False) if record else ""
    if face.decision in ("too_small", "blurred"):
        shown = f"{face.box[2]}×{face.box[3]} px"
    return [*who, _distance(face), shown]


def _distance(face: Face) -> str:
    if face.distance is None:
        return ""
    text = f"{face.distance:.2f}"
    if face.threshold is not None:
        text += f" {'<' if face.distance < face.threshold else '≥'} {face.threshold:.2f}"
    if face.margin is not None:
        text += f" (next {face.margin:+.2f})"
    return text


def _span(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _line(at: datetime, parts: list[str], paint: str, colour: bool) -> str:
    text = "  ".join([f"{at:%H:%M:%S}.{at.microsecond // 1000:03}", *filter(None, parts)])
    text = printable(text)
    return f"{paint}{text}{PLAIN}" if colour else text
