"""What the gate takes in instructions, and from them what a Pi 4 would need. No Pi was measured.

    python -m infra.bench.instructions WORK FILM.npy FRAMES

does the work on so many frames of a film; `figures` runs that under valgrind's cachegrind (which
counts what callgrind does, in half the time), with more frames and with fewer, and takes the
difference by frame: what is loaded and warmed up falls out of it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from infra.bench.gate import Figure
from infra.gating.scenes import Visit, scene
from infra.packaging import PROJECT
from sightline.errors import ConfigError

_FILM = 6  # frames, which take turns
GIGAHERTZ = 1.5
# Valgrind counts AVX2 instructions, of 256 bits; the Pi's NEON has 128: at best none of them are
# vectors, at worst all are, and become two. A Cortex-A72 fetches three instructions a cycle, and
# retires 1 to 1.5 of such loops; the networks' kernels are bound by its one 128-bit multiplier.
MOST_TIMES = 2.0
MOST_A_CYCLE, LEAST_A_CYCLE = 1.5, 1.0
ASSUMED = "1.5 GHz, 1 to 1.5 instructions a cycle, 1 to 2 of NEON's for one of AVX2's"

# By FLOP/s: what one core does in matrix products, in GFLOP/s; this kind of machine, measured, and
# a Pi 4's, by its clock and the width of its vectors.
_HERE, _PI_4 = 100.0, 12.0

_INSTALL = "apt-get install valgrind counts instructions, from which a Pi 4's time is estimated"
_WITHIN_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Something the gate does with a frame of 640x480."""

    name: str
    what: str
    turns: int  # of the film; of what takes little many, or the count's own scatter is more


WORKS = (
    Work(name="motion", what="motion", turns=10),
    Work(name="empty", what="face check, an empty room", turns=1),
    Work(name="person", what="face check, a person in it", turns=1),
)


def figures(
    say: Callable[[str], None] = lambda _: None, *, find: Callable[[str], str | None] = shutil.which
) -> list[Figure]:
    """Count, in processes of their own, for some minutes; without valgrind say how to get it."""
    valgrind = find("valgrind")
    if valgrind is None:
        say(f"valgrind is not installed: {_INSTALL}")
        return []
    found = []
    for work in WORKS:
        more = work.turns * _FILM
        say(f"{work.what}: counting the instructions of 1 frame, and of {more + 1}")
        counted = partial(count, valgrind, work.name)
        found += told(work, (counted(more + 1) - counted(1)) / more)
    return found


def told(work: Work, instructions: float) -> list[Figure]:
    """Lay out what so many instructions a frame mean."""
    least_ms, most_ms = on_a_pi_4_ms(instructions)
    return [
        Figure(
            what=f"{work.what}, instructions a frame",
            value=instructions / 1e6,
            unit="M",
            detail="640×480, by valgrind, one thread",
        ),
        Figure(
            what=f"{work.what}, on a Pi 4 at most",
            value=most_ms,
            unit="ms",
            detail=(
                f"estimate, {least_ms:.3g} to {most_ms:.3g} ms: {ASSUMED} "
                f"(by FLOP/s of a core: × {_HERE / _PI_4:.0f} of its time here)"
            ),
        ),
    ]


def on_a_pi_4_ms(instructions: float) -> tuple[float, float]:
    """Estimate the least and the most time for so many instructions of this machine's."""
    cycle_ms = 1 / (GIGAHERTZ * 1e6)
    least = instructions / MOST_A_CYCLE * cycle_ms
    return least, instructions * MOST_TIMES / LEAST_A_CYCLE * cycle_ms


def count(valgrind: str, work: str, frames: int) -> int:
    """Count the instructions of a process that does *work* on so many frames of its film.

    Raises:
        ConfigError: *valgrind* cannot run it.
    """
    scratch = Path(tempfile.mkdtemp(prefix="sightline-bench-"))
    try:
        out, filmed = scratch / "counts", scratch / "film.npy"
        np.save(filmed, film(work))  # here: to make it would take valgrind longer than all else
        done = subprocess.run(
            [
                *(valgrind, "--tool=cachegrind", "--cache-sim=no"),
                f"--cachegrind-out-file={out}",
                *(sys.executable, "-m", "infra.bench.instructions", work, str(filmed), str(frames)),
            ],
            env=os.environ | {"PYTHONPATH": str(PROJECT), "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            timeout=_WITHIN_S,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.splitlines() or ["it said nothing"])[-1]
            raise ConfigError(f"valgrind cannot count the instructions of {work}: {last}")
        return summary(out.read_text())
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def summary(out: str) -> int:
    """Read the instructions of a whole run from what cachegrind wrote.

    Raises:
        ConfigError: There is no number in it.

    Source: valgrind's manual, 5.9, "Cachegrind Output File Format".
    """
    for line in out.splitlines():
        word, _, counted = line.partition(":")
        if word == "summary" and counted.split()[:1] and counted.split()[0].isdigit():
            return int(counted.split()[0])
    raise ConfigError("valgrind counted nothing")


def film(work: str) -> NDArray[np.uint8]:
    """Make the frames that *work* is done on. (6, 480, 640, 3), BGR."""
    shown = scene(30, noise=3, visit=Visit(from_s=1, stands_s=15))
    wanted = (
        each.image for each in shown if work == "motion" or each.somebody == (work == "person")
    )
    return np.stack([next(wanted) for _ in range(_FILM)])


def do(work: str, images: NDArray[np.uint8], frames: int) -> None:
    """Do *work* on so many frames, after one that everything is loaded with."""
    from device.gate.building import face_finder
    from device.gate.motion import Motion
    from device.gate.settings import GateSettings, MotionSettings
    from device.settings import CameraSettings

    cv2.setNumThreads(1)
    if work == "motion":
        motion = Motion(MotionSettings())
        for number in range(frames + 1):
            motion.see(images[number % len(images)], 0.1 * number)
        return
    finder = face_finder(GateSettings(), CameraSettings(source="none"))
    for number in range(frames + 1):
        finder.look(images[number % len(images)])


if __name__ == "__main__":
    do(sys.argv[1], np.load(sys.argv[2]), int(sys.argv[3]))
