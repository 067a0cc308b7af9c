"""The gate's decision about each frame: motion, then sharpness, then faces."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from device.cameras.camera import Image
from device.gate.budget import Budget
from device.gate.motion import Change, Motion
from device.gate.settings import GateSettings, Mode
from device.gate.sharpness import Focus, sharpness

# Somebody is there, and no face was found: they may look this way in a moment.
_UNSEEN_S = 0.5

Reason = Literal[
    "first",  # passed: the first frame of a camera
    "motion",  # passed: something moves
    "present",  # passed: something moved a moment ago, or stands that was not there
    "face",  # passed: a face was found
    "asked",  # passed: somebody asked for it
    "keepalive",  # passed: it was time for one
    "still",  # nothing moves
    "light",  # the light was switched
    "wait",  # somebody may be there; it is not time yet to look again
    "interval",  # a frame was sent a moment ago
    "budget",  # the processor has done its share of checks
    "blurred",  # a sharper one will be checked in a moment
    "no_face",  # checked
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a check for faces found.

    Attributes:
        side_px: Of the largest face: the smaller side of its box.
        score: Of it, 0 to 1: 1 is as large and as sharp as is of use.
    """

    faces: int
    side_px: float = 0.0
    sharpness: float = 0.0
    score: float = 0.0


class FaceFinder(Protocol):
    """Looks for faces; see `device.gate.faces.FaceCheck`."""

    def look(self, image: Image) -> Seen:
        """Look for faces in *image*."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the gate says of one frame.

    Attributes:
        passed: It is worth sending.
        motion: Share of the picture that is not as the room is.
        faces: None: it was not looked for any.
        sharpness: Of the largest face, or of what changed; None: not measured.
        score: To choose by among frames of one moment; 1 is as good as is of use.
        cost_ms: What the check for faces took of the processor.
    """

    passed: bool
    reason: Reason
    motion: float = 0.0
    faces: int | None = None
    sharpness: float | None = None
    score: float = 0.0
    cost_ms: float = 0.0

    def said(self) -> Mapping[str, float]:
        """Give what the reference says of it."""
        said: dict[str, float] = {"motion": round(self.motion, 4)}
        if self.faces is not None:
            said["faces"] = self.faces
        return said


class Gate:
    """Judges one camera's frames in turn. Not safe from several threads."""

    def __init__(
        self,
        settings: GateSettings,
        finder: FaceFinder | None = None,
        *,
        cost_clock: Callable[[], float] = time.thread_time,
    ) -> None:
        """Judge by faces if there is a *finder*, else by motion alone.

        Args:
            cost_clock: Seconds of the processor that this thread has taken.
        """
        self._settings = settings
        self._finder = finder
        self._cost_clock = cost_clock
        self._motion = Motion(settings.motion)
        self._budget = Budget(settings.faces.share)
        self._focus = Focus()
        self._held_until_s = -math.inf
        self._passed_s = -math.inf
        self._checked_s = -math.inf
        self._found = False  # by the last check

    @property
    def mode(self) -> Mode:
        """What it judges by."""
        return "motion" if self._finder is None else "faces"

    @property
    def again_s(self) -> float:
        """When the next frame can pass, as far as the processor is concerned."""
        return -math.inf if self._finder is None else self._budget.free_s

    def see(self, image: Image, at_s: float, *, wanted: bool = True) -> Verdict:
        """Judge the next frame.

        Args:
            image: (height, width, 3), B, G, R.
            at_s: When it was taken, on a monotonic clock.
            wanted: Whether it would be sent if it passed; if not, no check is spent on it.
        """
        change = self._motion.see(image, at_s)
        if change.moved:
            self._held_until_s = at_s + self._settings.hold_s
        if self._finder is None:
            return self._by_motion(image, change, at_s, wanted)
        return self._by_faces(image, change, at_s, wanted, self._finder)

    def _by_motion(self, image: Image, change: Change, at_s: float, wanted: bool) -> Verdict:
        lingering = change.present or at_s <= self._held_until_s
        if not (change.first or change.moved or lingering):
            return _refused("light" if change.light else "still", change)
        if not (change.first or change.moved) and at_s < self._passed_s + self._settings.recheck_s:
            return _refused("wait", change)
        if not wanted:
            return _refused("interval", change)
        self._passed_s = at_s
        sharp = sharpness(image, change.region)
        return Verdict(
            passed=True,
            reason="first" if change.first else "motion" if change.moved else "present",
            motion=change.share,
            sharpness=sharp,
            score=sharp / (1 + sharp),
        )

    def _by_faces(
        self, image: Image, change: Change, at_s: float, wanted: bool, finder: FaceFinder
    ) -> Verdict:
        urgent = change.first or change.moved or change.light
        lingering = change.present or at_s <= self._held_until_s
        pause_s = self._settings.faces.idle_s
        if lingering:
            pause_s = min(self._settings.recheck_s, math.inf if self._found else _UNSEEN_S)
        if not urgent and at_s < self._checked_s + pause_s:
            return _refused("wait" if lingering else "still", change)
        if not wanted:
            return _refused("interval", change)
        if not self._budget.allows(at_s):
            return _refused("budget", change)
        if change.moved and not self._focus.sharp_enough(sharpness(image, change.region), at_s):
            return _refused("blurred", change)
        begun_s = self._cost_clock()
        seen = finder.look(image)
        cost_s = self._cost_clock() - begun_s
        self._budget.spent(at_s, cost_s)
        self._checked_s, self._found = at_s, seen.faces > 0
        if seen.faces:
            self._held_until_s = max(self._held_until_s, at_s + self._settings.hold_s)
        return Verdict(
            passed=seen.faces > 0,
            reason="face" if seen.faces else "no_face",
            motion=change.share,
            faces=seen.faces,
            sharpness=seen.sharpness if seen.faces else None,
            score=seen.score,
            cost_ms=cost_s * 1000,
        )


def _refused(reason: Reason, change: Change) -> Verdict:
    return Verdict(passed=False, reason=reason, motion=change.share)
