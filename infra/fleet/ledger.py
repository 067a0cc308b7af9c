"""The books of a fleet: what became of each frame, and whether all of it is explained.

Each frame that a spool promised to keep must be answered once, or dropped for a stated reason and
counted by its agent. The books are kept from three sides, which must agree: what the spools tell,
what the agents count and say is new, and what the cloud sent.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from infra.demo.clip import Truth
from infra.fleet.events import Event, Named
from sightline.messages import FrameRecognized, FrameRejected


@dataclass(slots=True, kw_only=True)
class Fate:
    """What became of one frame."""

    device: str
    captured_s: float | None = None
    number: int | None = None
    answered_s: float | None = None  # its spool knows of the answer
    new: int = 0  # so often was a result of it told as new
    rejected: bool = False
    dropped: str = ""  # why
    dropped_s: float | None = None
    total_ms: float | None = None
    cloud_new: int = 0  # answers of the cloud's that are no repeats
    cloud_repeats: int = 0
    named: tuple[Named, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The state of the books in the middle of a run."""

    captured: int
    answered: int
    dropped: int
    late_ms: tuple[float, ...] = field(repr=False)  # from capture to result, of all that had one

    @property
    def waiting(self) -> int:
        """Frames that are neither answered nor dropped yet."""
        return self.captured - self.answered - self.dropped


class Ledger:
    """Threads: any."""

    def __init__(self) -> None:
        """Begin with empty books."""
        self._lock = threading.Lock()
        self._fates: dict[str, Fate] = {}
        self._nameless: Counter[str] = Counter()  # frames known by their loss alone, by device
        self._links: Counter[str] = Counter()
        self._counts: dict[str, Mapping[str, int]] = {}
        self._failures: list[str] = []

    def note(self, event: Event) -> None:
        """Enter what a device told."""
        with self._lock:
            if event.what == "linked":
                self._links[event.device] += 1
            elif event.what == "failed":
                self._failures.append(f"the agent of {event.device}: {event.text}")
            elif event.what == "ended":
                self._counts[event.device] = event.counts
            elif event.frame:
                self._enter(event, self._fate(event.frame, event.device))
            else:
                self._nameless[event.device] += 1

    def heard(self, answer: FrameRecognized | FrameRejected) -> None:
        """Enter what the cloud sent."""
        with self._lock:
            fate = self._fate(answer.frame_id or "", answer.device)
            if isinstance(answer, FrameRecognized) and answer.repeat:
                fate.cloud_repeats += 1
            else:
                fate.cloud_new += 1

    def tally(self) -> Tally:
        """Count what there is by now."""
        with self._lock:
            ours = [fate for fate in self._fates.values() if fate.captured_s is not None]
        return Tally(
            captured=len(ours),
            answered=sum(f.answered_s is not None and not f.dropped for f in ours),
            dropped=sum(bool(f.dropped) for f in ours),
            late_ms=tuple(f.total_ms for f in ours if f.total_ms is not None),
        )

    def fates(self) -> dict[str, Fate]:
        """Give all frames, by their ids; for when all has come to its end."""
        with self._lock:
            return dict(self._fates)

    def reconnects(self) -> int:
        """Count connections beyond each device's first."""
        with self._lock:
            return sum(max(0, times - 1) for times in self._links.values())

    def unexplained(self, devices: tuple[str, ...], begin_s: float) -> list[str]:
        """Name everything that should not be, a line each; for when all has come to its end."""
        with self._lock:
            found = list(self._failures)
            for frame_id, fate in self._fates.items():
                at = "" if fate.captured_s is None else f" ({fate.captured_s - begin_s:.1f} s)"
                found += [f"frame {frame_id} of {fate.device}{at}: {what}" for what in _odd(fate)]
            for device in devices:
                found += self._disagreements(device)
        return found

    def _enter(self, event: Event, fate: Fate) -> None:
        match event.what:
            case "captured":
                fate.captured_s, fate.number = event.at_s, event.number
            case "answered":
                fate.answered_s = event.at_s
            case "dropped":
                fate.dropped, fate.dropped_s = event.why or "", event.at_s
            case "result":
                fate.new += event.new
                if event.new:
                    fate.rejected, fate.total_ms = event.rejected, event.total_ms
                    fate.named = event.named

    def _fate(self, frame_id: str, device: str) -> Fate:
        return self._fates.setdefault(frame_id, Fate(device=device))

    def _disagreements(self, device: str) -> Iterator[str]:
        """Hold an agent's own counts against what its spool told."""
        counts = self._counts.get(device)
        if counts is None:
            if not any(device in failure for failure in self._failures):
                yield f"the agent of {device}: ended without a word"
            return
        fates = [f for f in self._fates.values() if f.device == device and f.captured_s is not None]
        told: dict[str, int] = defaultdict(int)
        for fate in fates:
            if fate.dropped:
                told["dropped"] += 1
            elif fate.answered_s is not None:
                told["rejected" if fate.rejected else "answered"] += 1
        told["dropped"] += self._nameless[device]
        told["captured"] = len(fates)
        for name in ("captured", "answered", "rejected", "dropped"):
            counted = counts.get(name, 0)
            if counted != told[name]:
                yield f"the agent of {device}: counted {counted} {name}, not {told[name]}"


def _odd(fate: Fate) -> Iterator[str]:
    if fate.captured_s is None:
        yield "answered, and never captured"
        return
    if fate.answered_s is None and not fate.dropped:
        sent = ", though the cloud answered" if fate.cloud_new else ""
        yield f"neither answered nor dropped{sent}"
    if fate.answered_s is not None and fate.dropped:
        yield f"answered, and dropped ({fate.dropped})"
    if fate.answered_s is not None and not fate.new:
        yield "answered, and nobody was told"
    if fate.new > 1:
        yield f"told of as new {fate.new} times"
    if fate.cloud_new > 1:
        yield f"answered anew by the cloud {fate.cloud_new} times"
    if fate.rejected:
        yield "rejected by the cloud"


def misnamed(fates: Mapping[str, Fate], truth: Truth) -> list[str]:
    """Name each face that was given a name it does not have, by what the clip shows there."""
    found = []
    for frame_id, fate in fates.items():
        if fate.number is None:
            continue
        shown = truth[fate.number] if fate.number < len(truth) else ()
        for face in fate.named:
            who = next((each.name for each in shown if each.holds(face.box)), "nobody")
            if who != face.name:
                found.append(f"frame {frame_id} of {fate.device}: {face.name} is {who}")
    return found
