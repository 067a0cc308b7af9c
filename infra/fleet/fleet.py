"""Runs a fleet on what it stands on, with faults between, and closes its books."""

import dataclasses
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infra.demo.clip import Truth
from infra.fleet.crew import Crew
from infra.fleet.duty import Duty
from infra.fleet.fault_proxy import FaultProxy, ProxiedLine
from infra.fleet.ledger import Fate, Ledger, Tally, misnamed
from infra.fleet.line import Address, LineStatistics
from infra.fleet.weather import CALM, Weather, forecast
from sightline.errors import ConfigError, SightlineError

Say = Callable[[str], None]

_RAMP_S = 10.0  # agents begin one after the other within that
_LOOK_S = 0.5
_TELL_S = 5.0
_LEFT_S = 5.0  # for agents to end, when they have given up


class Ground(Protocol):
    """Broker, store and cloud that a fleet stands on."""

    @property
    def upstreams(self) -> Mapping[str, Address]:
        """Where devices connect to: `mqtt`, `credentials` and `s3`."""
        ...

    def provision(self, thing: str) -> Path:
        """Give a device its certificate; its device.toml is given back."""
        ...

    def deprovision(self, thing: str) -> None:
        """Take all of that back."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be run.

    Attributes:
        seconds: For so long frames are taken; what is on its way then is waited for.
        drain_s: At most so long.
        gate: See `infra.fleet.duty.Duty`.
        faults: A profile of `infra.fleet.weather`.
    """

    devices: int
    seconds: float
    fps: float
    faults: str
    processes: int
    clip: Path
    truth: Truth
    seed: int = 0
    drain_s: float = 120.0
    gate: str = "off"
    names: str = "fleet"

    @property
    def things(self) -> tuple[str, ...]:
        """The devices' names."""
        return tuple(f"{self.names}-{number:03}" for number in range(1, self.devices + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it.

    Attributes:
        begin_s: On the monotonic clock, as all times here.
        weather: Of each device, since when it was how.
        unexplained: A line for each thing that should not be.
        misnamed: A line for each face that was given a wrong name.
        left_behind: What could not be taken back of the provisioning.
    """

    plan: Plan
    begin_s: float
    end_s: float
    tally: Tally
    fates: Mapping[str, Fate]
    weather: Mapping[str, tuple[tuple[float, Weather], ...]]
    lines: LineStatistics
    reconnects: int
    unexplained: Sequence[str]
    misnamed: Sequence[str]
    left_behind: Sequence[str]
    agents_bytes: int
    agents_cpu_s: float

    @property
    def failure(self) -> str | None:
        """Say in a line why this is no good end; None: it is one."""
        if not self.tally.captured:
            return "no frame was captured"
        for what, found in (
            ("unexplained", self.unexplained),
            ("wrongly named", self.misnamed),
            ("left behind", self.left_behind),
        ):
            if found:
                return f"{len(found)} {what}: {found[0]}"
        return None


def run(plan: Plan, ground: Ground, ledger: Ledger, folder: Path, say: Say) -> Outcome:
    """Provision, run, drain, deprovision.

    Args:
        ground: It must tell *ledger* of each answer that the cloud sends.
        folder: For all that the agents write.

    Raises:
        ConfigError: Something that the operator can mend.
        TransportError: What the fleet stands on does not answer.
    """
    made: list[str] = []
    left_behind: list[str] = []
    try:
        say(f"giving {plan.devices} devices a certificate each …")
        settings = {}
        for thing in plan.things:
            made.append(thing)
            settings[thing] = ground.provision(thing)
        with FaultProxy(seed=plan.seed) as proxy:
            lines = {thing: proxy.line(ground.upstreams) for thing in plan.things}
            outcome = _play(
                plan, lines, _duties(plan, lines, settings, folder), ledger, folder, say
            )
    finally:
        left_behind += _remove(made, ground, say)
    return dataclasses.replace(outcome, left_behind=tuple(left_behind))


def _duties(
    plan: Plan,
    lines: Mapping[str, ProxiedLine],
    settings: Mapping[str, Path],
    folder: Path,
) -> list[Duty]:
    ramp_s = min(_RAMP_S, plan.seconds / 4)
    return [
        Duty(
            thing=thing,
            settings=str(settings[thing]),
            clip=str(plan.clip),
            folder=str(folder / f"{thing}-state"),
            mqtt_port=lines[thing].ports["mqtt"],
            credentials_port=lines[thing].ports["credentials"],
            s3_port=lines[thing].ports["s3"],
            interval_s=1 / plan.fps,
            begin_after_s=ramp_s * number / plan.devices,
            gate=plan.gate,
        )
        for number, thing in enumerate(plan.things)
    ]


def _play(
    plan: Plan,
    lines: Mapping[str, ProxiedLine],
    duties: Sequence[Duty],
    ledger: Ledger,
    folder: Path,
    say: Say,
) -> Outcome:
    say(f"loading the agents into {min(plan.processes, plan.devices)} processes …")
    with Crew(duties, folder, processes=plan.processes, note=ledger.note) as crew:
        begin_s = time.monotonic()
        for number, line in enumerate(lines.values()):
            chance = random.Random(f"{plan.seed}/{number}")  # noqa: S311
            line.follow(forecast(plan.faults, plan.seconds, chance), begin_s)
        _watch(plan, lines, crew, ledger, begin_s, say)
        end_s = time.monotonic()
        bytes_, cpu_s = crew.most_bytes, crew.cpu_s
    fates = ledger.fates()
    return Outcome(
        plan=plan,
        begin_s=begin_s,
        end_s=end_s,
        tally=ledger.tally(),
        fates=fates,
        weather={thing: line.history() for thing, line in lines.items()},
        lines=_sum(line.statistics() for line in lines.values()),
        reconnects=ledger.reconnects(),
        unexplained=ledger.unexplained(plan.things, begin_s),
        misnamed=misnamed(fates, plan.truth),
        left_behind=(),
        agents_bytes=bytes_,
        agents_cpu_s=cpu_s,
    )


def _watch(
    plan: Plan,
    lines: Mapping[str, ProxiedLine],
    crew: Crew,
    ledger: Ledger,
    begin_s: float,
    say: Say,
) -> None:
    """Begin, and see all to its end; when no more frames are taken there are no more faults."""
    finish_s = begin_s + plan.seconds
    give_up_s = finish_s + plan.drain_s
    crew.begin(begin_s, finish_s, give_up_s)
    say("running:")
    calm, tell_s = False, begin_s + _TELL_S
    while not crew.wait(_LOOK_S):
        crew.measure()
        now_s = time.monotonic()
        if now_s >= finish_s and not calm:
            calm = True
            for line in lines.values():
                line.become(CALM)
            say("no more frames, no more faults; waiting for what is on its way …")
        if now_s > give_up_s + _LEFT_S:
            return
        if now_s >= tell_s:
            tell_s += _TELL_S
            say(_progress(ledger.tally(), now_s - begin_s))


def _progress(tally: Tally, at_s: float) -> str:
    return (
        f"  {at_s:4.0f} s  {tally.captured} captured, {tally.answered} answered, "
        f"{tally.dropped} dropped, {tally.waiting} on their way"
    )


def _remove(things: Sequence[str], ground: Ground, say: Say) -> list[str]:
    """Deprovision what was provisioned; what cannot be is told."""
    if things:
        say("taking the certificates back …")
    left = []
    for thing in things:
        try:
            ground.deprovision(thing)
        except (SightlineError, OSError) as err:
            if not (isinstance(err, ConfigError) and "there is no thing" in str(err)):
                left.append(f"{thing}: {err}")
    return left


def _sum(parts: Iterable[LineStatistics]) -> LineStatistics:
    total = LineStatistics()
    for part in parts:
        for each in dataclasses.fields(LineStatistics):
            setattr(total, each.name, getattr(total, each.name) + getattr(part, each.name))
    return total
