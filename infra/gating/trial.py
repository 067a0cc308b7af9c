"""Playing frames through the gate, and what came of each."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from device.cameras.camera import Camera, Captured, Image
from device.gate.gate import FaceFinder, Gate, Reason, Verdict
from device.gate.gatekeeper import Gatekeeper
from device.gate.settings import GateSettings
from device.journal import percentile

# A face as recognition can use it: see `sightline.faces.quality`.
USABLE_PX, USABLE_PROBABILITY = 40.0, 0.9

# Not sent, because one was a moment ago, or is about to be: somebody is known to be there.
SPARED: frozenset[Reason] = frozenset({"interval", "wait"})

Truth = Callable[[Captured], int]  # how many usable faces a frame has


class PlayedTime:
    """A clock that leaps to whatever is waited for, and the pace of a camera that is played so."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._now_s = 0.0
        self._due_s = 0.0

    def __call__(self) -> float:
        """Tell the time, in seconds."""
        return self._now_s

    def remaining_s(self) -> float:
        """See `device.cameras.camera.Pace`. A hair early is on time: frames' times are rounded."""
        left_s = self._due_s - self._now_s
        return left_s if left_s > 0.001 else 0.0

    def pause(self, seconds: float) -> None:
        """See `device.cameras.camera.Pace`."""
        self._now_s += max(0.0, seconds)

    def taken(self) -> None:
        """Go on to the next frame."""
        self._due_s = max(self._due_s + self._every_s, self._now_s)


def played(camera: Camera, pace: PlayedTime) -> Iterator[Captured]:
    """Give a camera's frames as fast as they come, with the times at which they would be taken."""
    with camera:
        while (captured := camera.capture(pace)) is not None:
            pace.taken()
            yield captured


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One frame that the gate looked at.

    Attributes:
        sent: It was the one chosen.
        usable: Usable faces in it, by the detector at its finest; None: nobody looked.
        cost_ms: What the gate took of the processor, face check and all.
    """

    at_s: float
    verdict: Verdict
    cost_ms: float
    sent: bool = False
    usable: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """All that was looked at, in order."""

    looks: Sequence[Look]
    settings: GateSettings
    mode: str
    interval_s: float

    @property
    def sent(self) -> list[Look]:
        """Those that were sent."""
        return [look for look in self.looks if look.sent]

    @property
    def seconds(self) -> float:
        """From the first to the last."""
        return self.looks[-1].at_s - self.looks[0].at_s if self.looks else 0.0

    def reasons(self) -> Counter[Reason]:
        """Count them by what was decided."""
        return Counter(look.verdict.reason for look in self.looks)

    def missed(self) -> list[Look]:
        """Give those with a usable face that the gate let slip.

        That is: it did not pass; nor was it held back only because a frame had been sent less than
        an interval ago, or because the last look (by faces: the last check, which found one) said
        that somebody was there and the next was not due; nor was a frame sent within one interval
        of it, before or after, in whose place it could not have been sent.
        """
        times = np.array([look.at_s for look in self.looks if look.sent])
        missed, found = [], self.mode == "motion"
        for look in self.looks:
            verdict = look.verdict
            found = found if verdict.faces is None else verdict.faces > 0
            spared = verdict.reason == "interval" or (verdict.reason == "wait" and found)
            if not look.usable or verdict.passed or spared:
                continue
            if not len(times) or np.min(np.abs(times - look.at_s)) > self.interval_s + 0.001:
                missed.append(look)
        return missed

    def checks_ms(self) -> list[float]:
        """What each check for faces took."""
        return [look.verdict.cost_ms for look in self.looks if look.verdict.faces is not None]

    def rest_ms(self) -> list[float]:
        """What the gate took on frames that were not checked for faces."""
        return [look.cost_ms for look in self.looks if look.verdict.faces is None]


def attempt(
    frames: Iterable[Captured],
    settings: GateSettings,
    finder: FaceFinder | None,
    *,
    interval_s: float,
    truth: Truth | None = None,
    cost_clock: Callable[[], float] = time.thread_time,
    watch: Callable[[Look], None] = lambda _: None,
) -> Trial:
    """Play *frames* through a gate with *settings*; by faces if there is a *finder*.

    Args:
        cost_clock: Of the processor, in seconds; the face check's share goes by it.
        watch: Hears of each look, to show how far it is.
    """
    gate = Gate(settings, finder, cost_clock=cost_clock)
    keeper = Gatekeeper(
        gate, interval_s=interval_s, burst_s=settings.burst_s, keepalive_s=settings.keepalive_s
    )
    looks: list[Look] = []
    place: dict[float, int] = {}  # of a look, by its frame's time
    for captured in frames:
        begun_s = time.thread_time()
        chosen = keeper.offer(captured)
        cost_ms = (time.thread_time() - begun_s) * 1000
        assert keeper.last is not None  # noqa: S101
        usable = truth(captured) if truth else None
        place[captured.captured_s] = len(looks)
        looks.append(
            Look(at_s=captured.captured_s, verdict=keeper.last, cost_ms=cost_ms, usable=usable)
        )
        for each in chosen:
            _mark(looks, place[each.captured.captured_s])
        watch(looks[-1])
    for each in keeper.end():
        _mark(looks, place[each.captured.captured_s])
    return Trial(looks=looks, settings=settings, mode=gate.mode, interval_s=interval_s)


def captured(image: Image, at_s: float) -> Captured:
    """Give a frame that was made rather than taken."""
    return Captured(image=image, captured_at=datetime.fromtimestamp(at_s, UTC), captured_s=at_s)


def usable_faces() -> Truth:
    """Load the detector at its finest: what the gate's coarse check is held against."""
    from sightline.faces.detector import Detector

    detector = Detector(smallest_face_px=20)

    def count(captured: Captured) -> int:
        found = detector.detect(np.ascontiguousarray(captured.image[..., ::-1]))
        sides = (found.boxes[:, 2:] - found.boxes[:, :2]).min(axis=1, initial=np.inf)
        good = (found.probabilities > USABLE_PROBABILITY) & (sides >= USABLE_PX)
        return int(np.count_nonzero(good & np.isfinite(sides)))

    return count


def p50(values: Sequence[float]) -> float:
    """Give the median; 0 of nothing."""
    return percentile(list(values), 0.5) if values else 0.0


def p95(values: Sequence[float]) -> float:
    """Give what 95 of 100 do not exceed; 0 of nothing."""
    return percentile(list(values), 0.95) if values else 0.0


def _mark(looks: list[Look], number: int) -> None:
    looks[number] = replace(looks[number], sent=True)
