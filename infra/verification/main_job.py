"""The main job on a real stack: the agent plays a made clip, and who comes back is held to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device.doctor.finding import Finding, fault, ok
from infra.demo import clip as clips
from infra.demo.agent import start_agent, wait
from infra.demo.rehearsal import KNOWN, STRANGER, portrait, read_report
from infra.demo.show import Seen, look_up, stage_rows
from infra.verification.props import Props
from sightline.errors import ConfigError

_NOBODY = "a stranger"
FRAME_INTERVAL_S = 0.5


def scenes(name: str) -> tuple[clips.Scene, ...]:
    """Ten seconds: nobody, the one enrolled, a stranger, both."""
    return (
        clips.Scene(seconds=1, names=()),
        clips.Scene(seconds=3, names=(name,)),
        clips.Scene(seconds=3, names=(_NOBODY,)),
        clips.Scene(seconds=3, names=(name, _NOBODY)),
    )


def frames_expected() -> int:
    """How many frames the agent takes of the clip, at most."""
    return round(sum(scene.seconds for scene in scenes("")) / FRAME_INTERVAL_S) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of the clip."""

    name: str  # of the one enrolled
    status: int
    seen: Sequence[Seen]
    keys: Sequence[str]  # of the frames that were answered
    summary: Mapping[str, Any]
    log: Path

    @property
    def latencies(self) -> Sequence[tuple[str, str, str]]:
        """Stage, p50 and p95 in milliseconds."""
        return stage_rows(self.summary["stages"])


def clip_of(props: Props) -> Path:
    """Name the clip that `play` makes."""
    return props.folder / "clip.mp4"


def play(props: Props, settings: Path, name: str) -> Played:
    """Have the device's own agent play the clip.

    Raises:
        ConfigError: It did not come to its end.
    """
    clip, report, log = clip_of(props), props.folder / "report", props.folder / "agent.log"
    shown = {name: portrait(KNOWN), _NOBODY: portrait(STRANGER)}
    truth = clips.make_clip(clip, shown, scenes(name))
    with log.open("wb") as stream:
        status = wait(start_agent(settings, clip, report, log=stream, quiet=True))
    if not report.exists() or not report.read_text():
        *_, last = log.read_text(errors="replace").splitlines() or ["it said nothing"]
        raise ConfigError(f"the agent ended with status {status}: {last}")
    read = read_report(report)
    rows = [row for row in read.rows if row["kind"] == "recognized"]
    return Played(
        name=name,
        status=status,
        seen=[look_up(props.fetch(row["key"]), row, truth) for row in rows],
        keys=[row["key"] for row in rows],
        summary=read.summary,
        log=log,
    )


def judge_answers(played: Played) -> Finding:
    """See that each frame was answered once."""
    summary = played.summary
    captured, answered = summary["captured"], summary["answered"]
    if played.status or answered != captured or not captured:
        *_, last = played.log.read_text(errors="replace").splitlines() or [""]
        return fault(
            f"{answered} of {captured} frames were answered, agent's status {played.status}",
            f"the last of its log: {last}",
        )
    return ok(f"{answered} frames sent by the agent, each answered")


def judge_known(played: Played) -> Finding:
    """See that the one enrolled is named, and nobody else by that name."""
    wrong = [mistake for each in played.seen for mistake in each.mistakes()]
    if wrong:
        return fault(
            f"{len(wrong)} faces were given a wrong name: {wrong[0]}",
            "is somebody else enrolled who looks like them?",
        )
    of, known = _decisions(played, played.name)
    if known * 2 < of or not known:
        return fault(
            f"{played.name} was known in {known} of {of} frames",
            "was the stack deployed with the engine that enrolment used?",
        )
    return ok(f"named in {known} of {of} frames, nobody else in any")


def judge_stranger(played: Played) -> Finding:
    """See that whom nobody enrolled stays unknown."""
    of, known = _decisions(played, _NOBODY)
    if known or not of:
        return fault(
            f"the stranger was known in {known} of {of} frames",
            "see `./run people list`: is somebody of that face enrolled?",
        )
    return ok(f"never named, in {of} frames")


def judge_record(played: Played, record: Mapping[str, Any]) -> Finding:
    """See that each result that names a person carries the whole record."""
    records = [
        face.person.record for each in played.seen for face in each.result.faces if face.person
    ]
    if not records or any(found != record for found in records):
        return fault("a result came without the person's record", "see the function's log")
    return ok(f"whole in {len(records)} results")


def _decisions(played: Played, name: str) -> tuple[int, int]:
    """How many faces of *name* were seen, and how many of them were called known."""
    faces = [
        face for each in played.seen for face in each.result.faces if each.who(face.box) == name
    ]
    return len(faces), sum(face.decision == "known" for face in faces)
