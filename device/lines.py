"""Results as lines for people. Times are in UTC, as in the messages."""

import json
from collections.abc import Mapping
from datetime import datetime

from device.journal import Summary
from device.results import Outcome
from sightline.messages import Face, FrameRecognized, FrameRejected

GREEN, YELLOW, RED, GREY, PLAIN = "\033[32m", "\033[33m", "\033[31m", "\033[90m", "\033[0m"

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
        f"{summary.rejected} rejected" if summary.rejected else "",
        f"{summary.dropped} dropped" if summary.dropped else "",
        f"{summary.given_up} given up unanswered" if summary.given_up else "",
        f"{summary.unanswered} left unanswered" if summary.unanswered else "",
        f"{summary.repeated} answered again" if summary.repeated else "",
    ]
    found = [
        f"{count} {decision.replace('_', ' ')}" for decision, count in summary.decisions.items()
    ]
    written = [", ".join(filter(None, answers))]
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
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
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


def _line(at: datetime, parts: list[str], paint: str, colour: bool) -> str:
    text = "  ".join([f"{at:%H:%M:%S}.{at.microsecond // 1000:03}", *filter(None, parts)])
    text = printable(text)
    return f"{paint}{text}{PLAIN}" if colour else text
