"""What became of each thing that was sent, and the figures of all."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from device.journal import percentile

_NAMED = 20  # failures that are told one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """Of one thing that was sent; times are seconds since the run began.

    Attributes:
        name: The video's key, or the frame's id.
        begun_s: When it was there to be sent: of a video the begin of its upload, of a frame the
            moment a camera would have taken it.
        answered_s: When its whole result was seen to be there; None: it never was.
        stills: Pictures that were recognised in it.
        failure: What is wrong with it; None: nothing.
    """

    name: str
    begun_s: float
    sent_s: float | None = None
    answered_s: float | None = None
    stills: int = 1
    failure: str | None = None

    @property
    def latency_s(self) -> float | None:
        """From its begin to its result."""
        return None if self.answered_s is None else self.answered_s - self.begun_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A load that was put on a stack.

    Attributes:
        what: Things that were sent, in the plural: videos, frames.
        asked_rate: Of them, a second.
        late_s: How much later than planned the latest was begun.
    """

    what: str
    asked_rate: float
    fates: Sequence[Fate]
    late_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of a whole run; a throughput is over the time from the first begin to the last result."""

    sent: int
    answered: int
    failed: int
    seconds: float
    sent_per_s: float
    answered_per_s: float
    stills_per_s: float
    latency_p50_s: float | None
    latency_p95_s: float | None
    latency_max_s: float | None
    late_s: float


def figures(run: Run) -> Figures:
    """Sum a run up."""
    fates = run.fates
    answered = [each for each in fates if each.answered_s is not None]
    begin_s = min((each.begun_s for each in fates), default=0.0)
    end_s = max((each.answered_s or 0.0 for each in answered), default=begin_s)
    sending_s = max((each.begun_s for each in fates), default=begin_s) - begin_s
    seconds = end_s - begin_s
    late = [each.latency_s or 0.0 for each in answered]
    return Figures(
        sent=len(fates),
        answered=len(answered),
        failed=sum(each.failure is not None for each in fates),
        seconds=round(seconds, 3),
        # Between the first and the last there is one pause less than there are things.
        sent_per_s=_rate(len(fates) - 1, sending_s),
        answered_per_s=_rate(len(answered), seconds),
        stills_per_s=_rate(sum(each.stills for each in answered), seconds),
        latency_p50_s=round(percentile(late, 0.5), 3) if late else None,
        latency_p95_s=round(percentile(late, 0.95), 3) if late else None,
        latency_max_s=round(max(late), 3) if late else None,
        late_s=round(run.late_s, 3),
    )


def rows(run: Run) -> list[tuple[str, str]]:
    """Lay a run out for people: what, and how much."""
    of, what = figures(run), run.what
    found = [
        (f"{what} sent", f"{of.sent}, {of.sent_per_s:.2f}/s of {run.asked_rate:g}/s asked for"),
        ("answered", f"{of.answered} in {of.seconds:.1f} s"),
        ("throughput", f"{of.answered_per_s:.2f} {what}/s"),
    ]
    if what != "frames":
        found.append(("", f"{of.stills_per_s:.1f} stills/s"))
    if of.latency_p50_s is not None and of.latency_p95_s is not None:
        said = f"{of.latency_p50_s:.2f} / {of.latency_p95_s:.2f} / {of.latency_max_s:.2f} s"
        found.append(("latency, p50 / p95 / max", said))
    found.append(("begun late by up to", f"{of.late_s:.1f} s"))
    found.append(("failed", f"{of.failed}"))
    return [*found, *((f"  {why}", f"{n}") for why, n in reasons(run).items())]


def reasons(run: Run) -> Mapping[str, int]:
    """Count the failures by what is wrong, the most frequent first."""
    # Up to the first colon: what follows is of one file alone.
    heads = Counter(each.failure.partition(":")[0] for each in run.fates if each.failure)
    return dict(heads.most_common())


def failures(run: Run) -> list[str]:
    """Name what failed, and why, as many as anybody reads."""
    found = [f"{each.name}: {each.failure}" for each in run.fates if each.failure]
    more = len(found) - _NAMED
    return [*found[:_NAMED], *([f"… and {more} more"] if more > 0 else [])]


def write_json(path: Path, run: Run, **facts: object) -> None:
    """Write the figures, and each fate."""
    value = {
        "what": run.what,
        "asked_rate": run.asked_rate,
        **facts,
        "figures": asdict(figures(run)),
        "failures": reasons(run),
        "fates": [asdict(each) for each in run.fates],
    }
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def _rate(count: int, seconds: float) -> float:
    return round(count / seconds, 3) if seconds > 0 and count > 0 else 0.0
