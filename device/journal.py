"""What happened: counters, and how long each stage took."""

import math
import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sightline.messages import Counters

Event = Literal[
    "captured",
    "dropped",
    "dropped_before",  # by earlier processes, and known to the spool
    "uploaded",
    "published",
    "answered",
    "rejected",
    "overdue",
    "unanswered",
    "repeated",
    "gated",
    "resumed",
    "late",
    "strangers",
    "skipped",
    "recorded",
    "unrecorded",
    "segments",
    "segments_uploaded",
    "segments_dropped",
]

KEPT = 20_000  # latencies a stage; older ones are forgotten, so that memory stays flat


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long one stage took, in milliseconds."""

    count: int
    p50_ms: float
    p95_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Everything an agent has done since it started.

    Attributes:
        dropped: Frames that newer ones pushed out of the spool, because the network or the cloud
            did not keep up. `Counters.dropped` has those of earlier processes in it, too, as far as
            the spool knows: of what a process dropped before it was killed nobody else has told.
        overdue: References that were not answered in time; their frames are sent again.
        unanswered: Frames that were still on their way when the agent stopped.
        repeated: Results that came again.
        resumed: Frames that an earlier process had left on their way.
        late: Results of frames that were older than `valid_for_s`.
        strangers: Results of frames that nobody here waits for: somebody else sent their references
            in our name, or they were dropped.
        gated: Frames that the gate looked at, and that were not sent.
        skipped: Frames due for recognition that newer ones came before, as it was busy.
        recorded: Frames in the video; `unrecorded` ones were to be in it, and are not.
        segments: Of video, finished. `segments_dropped` were removed from the disk for newer ones.
        decisions: Faces by what was decided about them; people by name are in `people`.
        stages: encode, spool, upload, publish (until acknowledged), answer (from publish to
            result), total (from capture to result), delivery (by the clocks of cloud and device),
            and the cloud's own as cloud.fetch, cloud.detect and so on.
    """

    captured: int
    uploaded: int
    published: int
    answered: int
    rejected: int
    dropped: int
    overdue: int
    unanswered: int
    repeated: int
    faces: int
    decisions: Mapping[str, int]
    people: Mapping[str, int]
    stages: Mapping[str, Latency]
    gated: int = 0
    resumed: int = 0
    skipped: int = 0
    recorded: int = 0
    unrecorded: int = 0
    segments: int = 0
    segments_uploaded: int = 0
    segments_dropped: int = 0
    late: int = 0
    strangers: int = 0


class Journal:
    """Collects what the parts of an agent report. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: Counter[Event] = Counter()
        self._decisions: Counter[str] = Counter()
        self._people: Counter[str] = Counter()
        self._stages: dict[str, deque[float]] = {}

    def count(self, event: Event, times: int = 1) -> None:
        """Count *event*."""
        with self._lock:
            self._events[event] += times

    def took(self, stages_ms: Mapping[str, float]) -> None:
        """Note how long the stages of one frame took."""
        with self._lock:
            for stage, ms in stages_ms.items():
                self._stages.setdefault(stage, deque(maxlen=KEPT)).append(ms)

    def decided(self, decision: str, name: str | None) -> None:
        """Count what was decided about one face, and who it is if known."""
        with self._lock:
            self._decisions[decision] += 1
            if name is not None:
                self._people[name] += 1

    def counters(self) -> Counters:
        """Give the counters as `DeviceStatus` carries them."""
        with self._lock:
            done = self._events
            return Counters(
                captured=done["captured"],
                dropped=done["dropped"] + done["dropped_before"],
                uploaded=done["uploaded"],
                published=done["published"],
                answered=done["answered"],
                rejected=done["rejected"],
                gated=done.get("gated"),
                skipped=done.get("skipped"),
                recorded=done.get("recorded"),
                unrecorded=done.get("unrecorded"),
                overdue=done.get("overdue"),
            )

    def summary(self) -> Summary:
        """Give everything so far."""
        with self._lock:
            done = self._events
            return Summary(
                captured=done["captured"],
                uploaded=done["uploaded"],
                published=done["published"],
                answered=done["answered"],
                rejected=done["rejected"],
                dropped=done["dropped"],
                overdue=done["overdue"],
                unanswered=done["unanswered"],
                repeated=done["repeated"],
                faces=sum(self._decisions.values()),
                decisions=dict(self._decisions),
                people=dict(self._people.most_common()),
                stages={stage: _latency(list(took)) for stage, took in self._stages.items()},
                gated=done["gated"],
                resumed=done["resumed"],
                skipped=done["skipped"],
                recorded=done["recorded"],
                unrecorded=done["unrecorded"],
                segments=done["segments"],
                segments_uploaded=done["segments_uploaded"],
                segments_dropped=done["segments_dropped"],
                late=done["late"],
                strangers=done["strangers"],
            )


def percentile(values: list[float], share: float) -> float:
    """Give the value that *share* (0 to 1) of *values*, at least one, do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _latency(values: list[float]) -> Latency:
    return Latency(
        count=len(values),
        p50_ms=round(percentile(values, 0.5), 1),
        p95_ms=round(percentile(values, 0.95), 1),
        max_ms=round(max(values), 1),
    )
