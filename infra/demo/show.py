"""Plays the demo, and judges it."""

import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from infra.demo import clip as clips
from infra.demo.agent import wait
from infra.demo.contact_sheet import Tile, contact_sheet, spread
from infra.demo.rehearsal import KNOWN, STRANGER, Rehearsal, portrait, read_report
from sightline import wire
from sightline.faces.image import Frame, decode
from sightline.messages import FrameRecognized

TILES = 16
_STAGES = (  # what the summary shows, in the order a frame goes through it
    ("encode", "JPEG"),
    ("spool", "wait in the spool"),
    ("upload", "put into S3"),
    ("cloud.queue", "MQTT, rule, queue"),
    ("cloud.fetch", "get from S3"),
    ("cloud.decode", "decode"),
    ("cloud.detect", "detect"),
    ("cloud.embed", "embed"),
    ("cloud.match", "match"),
    ("cloud.store", "store the sighting"),
    ("delivery", "result to the device"),
    ("total", "captured → result on the device"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the demo came to."""

    stages: Sequence[Sequence[str]]  # name, p50, p95
    lines: Sequence[str]
    sheet: Path
    failure: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A frame that came back, with the truth about it."""

    frame: Frame
    result: FrameRecognized
    shown: tuple[clips.Shown, ...]

    def mistakes(self) -> list[str]:
        """Name each face that was given a name it does not have."""
        return [
            f"{face.person.name} was seen where {who or 'nobody'} is"
            for face in self.result.faces
            if face.person is not None and (who := self.who(face.box)) != face.person.name
        ]

    def who(self, box: tuple[int, int, int, int]) -> str | None:
        """Tell who really is at *box*."""
        return next((shown.name for shown in self.shown if shown.holds(box)), None)


def play(scratch: Path, folder: Path, *, workers: int, say: Callable[[str], None]) -> Outcome:
    """Run it all; files to keep go to *folder*.

    Raises:
        ConfigError: Something that the operator can mend is missing.
    """
    say("making the clip …")
    clip, report = folder / "clip.mp4", scratch / "report.jsonl"
    truth = clips.make_clip(clip, {name: portrait(name) for name in (KNOWN, STRANGER)})
    with Rehearsal(scratch, workers=workers, say=say) as rehearsal:
        say(f"the agent plays {len(truth) / clips.FRAMES_PER_S:.0f} s of it, a frame every 0.5 s:")
        agent = rehearsal.start_agent(clip, report)
        status = wait(agent)
        shutil.copy(rehearsal.agent_log, folder / "agent.log")
        read = read_report(report)
        seen = [
            look_up(rehearsal.frame(row["key"]), row, truth)
            for row in read.rows
            if row["kind"] == "recognized"
        ]
    sheet = folder / "contact-sheet.png"
    contact_sheet(_tiles(seen)).save(sheet)
    return Outcome(
        stages=stage_rows(read.summary["stages"]),
        lines=_lines(read.summary, seen),
        sheet=sheet,
        failure=_failure(status, folder, read.summary, seen),
    )


def stage_rows(stages: Mapping[str, Mapping[str, float]]) -> list[tuple[str, str, str]]:
    """Lay out an agent's latencies, a row a stage."""
    return [
        (label, f"{stages[name]['p50_ms']:.1f}", f"{stages[name]['p95_ms']:.1f}")
        for name, label in _STAGES
        if name in stages
    ]


def look_up(jpeg: bytes, row: Mapping[str, Any], truth: clips.Truth) -> Seen:
    """Find a frame that came back in the clip's truth, by the number drawn into it.

    Args:
        jpeg: The frame, as it was stored.
        row: Its row of the agent's report.
        truth: The clip's.
    """
    frame = decode(jpeg)
    number = clips.read_number(np.ascontiguousarray(frame[..., ::-1]))
    shown = truth[number] if number < len(truth) else ()
    return Seen(frame=frame, result=wire.load(FrameRecognized, row["result"]), shown=shown)


def _tiles(seen: Sequence[Seen]) -> list[Tile]:
    """Choose frames from all over the clip, in the order in which they were captured."""
    ordered = sorted(seen, key=lambda each: each.result.captured_at)
    chosen = spread(ordered, TILES)
    begin = chosen[0].result.captured_at if chosen else None
    return [
        Tile(
            image=each.frame,
            faces=each.result.faces,
            caption=f"{(each.result.captured_at - begin).total_seconds():4.1f} s" if begin else "",
        )
        for each in chosen
    ]


def _lines(summary: Mapping[str, Any], seen: Sequence[Seen]) -> list[str]:
    of: dict[str, Counter[str]] = {}
    for each in seen:
        for face in each.result.faces:
            who = each.who(face.box) or "nobody"
            of.setdefault(who, Counter())[face.person.name if face.person else face.decision] += 1
    lines = [
        "frames  "
        + ", ".join(
            f"{summary[what]} {what}" for what in ("captured", "answered", "dropped", "unanswered")
        ),
        f"faces   {summary['faces']}",
    ]
    for who, decided in of.items():
        text = ", ".join(f"{what.replace('_', ' ')} {n}×" for what, n in decided.most_common())
        lines.append(f"        {who} was judged: {text}")
    return lines


def _failure(
    status: int, folder: Path, summary: Mapping[str, Any], seen: Sequence[Seen]
) -> str | None:
    if status != 0:
        return f"the agent ended with status {status}; its log is {folder / 'agent.log'}"
    mistakes = [mistake for each in seen for mistake in each.mistakes()]
    if mistakes:
        return f"{len(mistakes)} faces were given a wrong name: {mistakes[0]}"
    if not summary["decisions"].get("known"):
        return "nobody was recognised"
    if summary["answered"] != summary["captured"]:
        return f"{summary['captured'] - summary['answered']} frames were not answered"
    return None
