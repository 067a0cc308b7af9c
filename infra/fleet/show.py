"""Plays a fleet from nothing: what it stands on, its clip, its pace, its run."""

import contextlib
import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2

from infra.demo.rehearsal import KNOWN, STRANGER, Rehearsal, portrait
from infra.fleet import fleet
from infra.fleet.clip import make_clip
from infra.fleet.ledger import Ledger
from infra.fleet.small_ground import SmallGround
from infra.fleet.stack_ground import StackGround, measure_rate

Say = Callable[[str], None]

LIGHT_FPS = 1.0  # a device; what the small cloud answers is not the bound
LEAST_FPS, MOST_FPS = 0.05, 2.0
SHARE = 0.35  # of what the stack answers alone: agents and proxy have the same processor
_FILES = 8192  # a device needs some twenty


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was asked for.

    Attributes:
        fps: Frames a second and device; None: as many as the recognition keeps up with.
        gate: `off`, `motion` or `faces`: which frames the agents send.
        light: No recognition: mosquitto and a small cloud, instead of the stack.
    """

    devices: int
    seconds: float
    faults: str
    fps: float | None
    processes: int
    workers: int
    light: bool
    seed: int
    gate: str = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of it, and what it was played on."""

    outcome: fleet.Outcome
    recogniser: str
    pace: str


def play(wish: Wish, scratch: Path, say: Say) -> Played:
    """Run it all, in *scratch*, and take all of it down again.

    Raises:
        ConfigError: Something that the operator can mend is missing.
        TransportError: What the fleet stands on does not answer.
    """
    _allow_files()
    ledger = Ledger()
    with _stood_on(wish, scratch, ledger, say) as (ground, recogniser, fps, pace):
        say(pace)
        clip = scratch / "clip.mp4"
        portraits = {name: portrait(name) for name in (KNOWN, STRANGER)}
        plan = fleet.Plan(
            devices=wish.devices,
            seconds=wish.seconds,
            fps=fps,
            faults=wish.faults,
            processes=min(wish.processes, wish.devices),
            clip=clip,
            truth=make_clip(clip, portraits, fps=fps),
            seed=wish.seed,
            gate=wish.gate,
        )
        outcome = fleet.run(plan, ground, ledger, scratch, say)
    return Played(outcome=outcome, recogniser=recogniser, pace=pace)


@contextlib.contextmanager
def _stood_on(
    wish: Wish, scratch: Path, ledger: Ledger, say: Say
) -> Iterator[tuple[fleet.Ground, str, float, str]]:
    folder = scratch / "ground"
    folder.mkdir()
    if wish.light:
        say("starting mosquitto and the small cloud …")
        with SmallGround(folder, ledger.heard) as small:
            fps = wish.fps or LIGHT_FPS
            said = "none: the function's own code without its networks, which finds nobody"
            yield small, said, fps, f"{fps:g} frames a second and device"
        return
    with Rehearsal(scratch, workers=wish.workers, say=say) as rehearsal:
        say("measuring how many frames a second it recognises …")
        jpeg = cv2.imencode(".jpg", _still(rehearsal))[1].tobytes()
        rate = measure_rate(rehearsal.target, folder, jpeg)
        fps = wish.fps or min(MOST_FPS, max(LEAST_FPS, SHARE * rate / wish.devices))
        pace = _pace(fps, rate, wish)
        with StackGround(rehearsal.target, folder, ledger.heard) as ground:
            said = f"the function itself, {wish.workers} at once, on a stack of MiniStack's"
            yield ground, said, fps, pace


def _pace(fps: float, rate: float, wish: Wish) -> str:
    asked = fps * wish.devices
    said = (
        f"{wish.workers} workers answer {rate:.1f} frames a second when nothing else is to do; "
        f"{wish.devices} devices send {fps:.2f} each, {asked:.1f} together"
    )
    if asked > rate:
        said += ": more than can be answered, so that frames will be dropped"
    return said


def _still(rehearsal: Rehearsal) -> cv2.typing.MatLike:
    import numpy as np

    image = cv2.imdecode(np.frombuffer(rehearsal.still(0), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None  # noqa: S101 - we have just encoded it
    return cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def _allow_files() -> None:
    """Allow this process as many open files as it may have: each device has its own ports."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
