"""The section [gate] of device.toml."""

from dataclasses import dataclass, field
from typing import Literal

from sightline.errors import ConfigError

Mode = Literal["off", "motion", "faces"]
MODES = ("auto", "off", "motion", "faces")

# Beyond it even the cheapest camera's frames are no longer seen to move.
_LONGEST_LOOK_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionSettings:
    """What counts as motion. See `device.gate.motion`."""

    threshold: float = 0.005  # share of the picture that changed
    absorb_s: float = 90.0  # what stands for so long has become part of the room

    def __post_init__(self) -> None:
        _within("threshold", self.threshold, 0.0001, 1)
        _within("absorb_s", self.absorb_s, 1, 86400)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceSettings:
    """How faces are looked for. See `device.gate.faces`."""

    smallest_px: int = 40  # below it recognition falls off, and to look costs twice as much
    share: float = 0.25  # of one processor core, at most
    idle_s: float = 10.0  # where nothing moves, somebody may stand all the same

    def __post_init__(self) -> None:
        _within("smallest_px", self.smallest_px, 12, 1000)
        _within("share", self.share, 0.01, 1)
        _within("idle_s", self.idle_s, 0.5, 86400)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """Which frames are sent.

    Attributes:
        mode: `off`: each of them. `motion`: where something moves or stands that was not there.
            `faces`: where a face is found. `auto`: `motion` for a live camera, `off` for a clip or
            a folder, whose frames somebody chose.
        look_s: How often a frame is looked at; of those that pass, at most one each
            `frames.interval_s` is sent.
        hold_s: For how long after motion, or a face, it is still looked closely.
        recheck_s: While somebody is there and nothing moves, a frame is sent so often.
        burst_s: For how long a better frame is waited for before the best is sent.
        keepalive_s: A frame is sent so often even if nothing moves, but no oftener than
            `frames.interval_s`; 0: never.
    """

    mode: str = "auto"
    look_s: float = 0.1
    hold_s: float = 5.0
    recheck_s: float = 2.0
    burst_s: float = 0.3
    keepalive_s: float = 0.0
    motion: MotionSettings = field(default_factory=MotionSettings)
    faces: FaceSettings = field(default_factory=FaceSettings)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError(f'mode: expected one of {", ".join(MODES)}, got "{self.mode}"')
        _within("look_s", self.look_s, 0.02, _LONGEST_LOOK_S)
        _within("hold_s", self.hold_s, 0, 3600)
        _within("recheck_s", self.recheck_s, 0.1, 3600)
        _within("burst_s", self.burst_s, 0, 10)
        if self.keepalive_s:
            _within("keepalive_s (0: never)", self.keepalive_s, 1, 86400)

    def mode_for(self, *, live: bool) -> Mode:
        """Tell which mode is meant for a live camera, or for a clip or a folder."""
        match self.mode:
            case "off" | "motion" | "faces":
                return self.mode
        return "motion" if live else "off"


def _within(key: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ConfigError(f"{key}: expected {least:g} to {most:g}, got {value}")
