"""What a network does to those who rely on it: its weather, and forecasts of it by name.

A proxy between TCP connections sees a stream, not packets. So a packet that is lost is one that
comes late, by about the time-out after which TCP sends it again; what comes after it waits.
"""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from sightline.errors import ConfigError

# open: all goes through. silent: nothing does for now, and later all of it. half_open: nothing does
# ever again on the connections of that time, and nobody is told. cut: connections are closed, and
# new ones refused.
State = Literal["open", "silent", "half_open", "cut"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How a line is at one time.

    Attributes:
        name: For people.
        latency_s: One way, each way; up to `jitter_s` is added by chance.
        loss: Share of pieces that come late by `late_s` to twice that, 0 to 1.
        bytes_per_s: Each way, for all connections of the line together.
        resets: Connections that stand when it begins are reset.
    """

    name: str = "calm"
    state: State = "open"
    latency_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    late_s: float = 0.2
    bytes_per_s: float = math.inf
    resets: bool = False

    def __post_init__(self) -> None:
        if min(self.latency_s, self.jitter_s, self.late_s) < 0 or not 0 <= self.loss <= 1:
            raise ConfigError(f"weather {self.name}: times are 0 or more, loss is from 0 to 1")
        if self.bytes_per_s <= 0:
            raise ConfigError(f"weather {self.name}: bytes_per_s is over 0")


CALM = Weather()


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """Weather from *at_s* on, for *seconds*; then that of the forecast's base again."""

    at_s: float
    seconds: float
    weather: Weather


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """All weather to come: episodes in order, which do not overlap, and what is between them."""

    base: Weather = CALM
    episodes: tuple[Episode, ...] = ()

    def __post_init__(self) -> None:
        end_s = 0.0
        for each in self.episodes:
            if each.at_s < end_s or each.seconds < 0:
                raise ConfigError(
                    f"the episode {each.weather.name} begins before the last one ends"
                )
            end_s = each.at_s + each.seconds


WIFI = Weather(
    name="wifi",
    latency_s=0.005,
    jitter_s=0.03,
    loss=0.01,
    late_s=0.2,  # TCP's least retransmission time-out on Linux
    bytes_per_s=2_000_000,
)
# What happens on a bad Wi-Fi, how often in comparison, and how many seconds it lasts.
_TROUBLES: tuple[tuple[Weather, int, float, float], ...] = (
    (
        Weather(
            name="slow", latency_s=0.15, jitter_s=0.3, loss=0.05, late_s=0.3, bytes_per_s=60_000
        ),
        4,
        4,
        12,
    ),
    (Weather(name="silent", state="silent"), 4, 1, 6),  # between two access points
    (Weather(name="outage", state="cut"), 3, 3, 12),
    (Weather(name="reset", latency_s=0.005, jitter_s=0.03, resets=True), 3, 0.2, 0.5),
    (Weather(name="half-open", state="half_open"), 1, 2, 5),  # a router that forgot the addresses
)
GAP_S = 30.0  # between two troubles, on average; a home's Wi-Fi on a bad day, in fast motion
OUTAGE_FROM, OUTAGE_SHARE = 0.2, 0.4  # of the run: when an hour's outage begins, how long it takes
HOUR_S = 3600.0


def forecast(profile: str, seconds: float, chance: random.Random) -> Forecast:
    """Make the weather of one line by a profile's name.

    Args:
        profile: One of `PROFILES`.
        seconds: How long the run is; nothing goes beyond it.
        chance: Lines that are to fail apart from each other have each their own.

    Raises:
        ConfigError: There is no such profile.
    """
    if profile not in PROFILES:
        raise ConfigError(f"no faults {profile!r}: there are {', '.join(PROFILES)}")
    return PROFILES[profile](seconds, chance)


def _none(_seconds: float, _chance: random.Random) -> Forecast:
    return Forecast()


def _wifi(seconds: float, chance: random.Random) -> Forecast:
    gap_s = min(GAP_S, seconds / 4)
    weights = [weight for _, weight, _, _ in _TROUBLES]
    episodes: list[Episode] = []
    at_s = chance.uniform(0.2, 1) * gap_s
    while True:
        ((weather, _, least_s, most_s),) = chance.choices(_TROUBLES, weights)
        lasts_s = min(chance.uniform(least_s, most_s), seconds / 3)
        if at_s + lasts_s > seconds:
            return Forecast(base=WIFI, episodes=tuple(episodes))
        episodes.append(Episode(at_s=at_s, seconds=lasts_s, weather=weather))
        at_s += lasts_s + min(chance.expovariate(1 / gap_s), 3 * gap_s)


def _outage_hour(seconds: float, _chance: random.Random) -> Forecast:
    outage = Episode(
        at_s=OUTAGE_FROM * seconds,
        seconds=OUTAGE_SHARE * seconds,
        weather=Weather(name="outage", state="cut"),
    )
    return Forecast(episodes=(outage,))


def clock_factor(seconds: float) -> float:
    """Tell how many times faster than real an hour's outage goes in a run of *seconds*."""
    return HOUR_S / (OUTAGE_SHARE * seconds)


PROFILES: Mapping[str, Callable[[float, random.Random], Forecast]] = {
    "none": _none,
    "wifi": _wifi,
    "outage-hour": _outage_hour,
}
