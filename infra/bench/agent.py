"""The whole agent as its user starts it: what it takes of a Pi's memory, and of its card's life."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from infra.bench.gate import Figure
from infra.fleet.lone_agent import LoneAgent, Task, make_clip
from infra.fleet.mosquitto import program
from infra.fleet.small_ground import SmallGround
from sightline.errors import ConfigError

Say = Callable[[str], None]

# What is to be reached without the face check, be it with recording by software, and with it.
MOTION_MB, FACES_MB = 150.0, 250.0
WRITTEN = 1.2
RESULTS = 40
SEGMENTS = 4
_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one agent took.

    Attributes:
        said: What it logged.
        written: Bytes written to the disk, by JPEG bytes that it stored: frames, spool, result log
            and all that it does at its start.
    """

    peak_mb: float
    written: float
    jpeg_bytes: float
    said: str = field(repr=False)


def figures(say: Say = lambda _: None) -> list[Figure]:
    """Measure three agents, a minute in all; without mosquitto say how to get it.

    Raises:
        TransportError: An agent does not get its results.
    """
    found: list[Figure] = []
    try:
        program()
    except ConfigError as err:
        say(f"the whole agent is not measured: {err}")
        return found
    with _scratch() as scratch:
        clip = scratch / "clip.mp4"
        make_clip(clip)
        for name, gate, recording, most in (
            ("motion", "motion", False, MOTION_MB),
            ("faces", "faces", False, FACES_MB),
            ("motion, and recording by software", "motion", True, MOTION_MB),
        ):
            say(f"an agent with {name}: {RESULTS} results")
            taken = measure(
                Task(clip=clip, gate=gate, recording=recording), scratch / f"{len(found)}"
            )
            found.append(
                Figure(
                    what=f"memory at its peak, {name}",
                    value=taken.peak_mb,
                    unit="MB",
                    most=most,
                    detail="1280×720, from a clip",
                )
            )
            if not recording:
                found.append(
                    Figure(
                        what=f"written for a frame, log and all, {name}",
                        value=taken.written,
                        unit="× its JPEG",
                        most=WRITTEN,
                        detail=f"{RESULTS} frames of {taken.jpeg_bytes / 1000:.0f} KB",
                    )
                )
    return found


def measure(task: Task, folder: Path, *, results: int = RESULTS) -> Taken:
    """Have an agent do *task* until it has so many results, and recorded some segments.

    Raises:
        ConfigError: mosquitto is not installed, or the system tells nothing of a process.
        TransportError: It does not get its results.
    """
    (folder / "ground").mkdir(parents=True)
    with (
        SmallGround(folder / "ground") as ground,
        LoneAgent(task, ground, folder) as agent,
    ):
        agent.await_logged(results, _PATIENCE_S)
        if task.recording:
            agent.await_recorded(SEGMENTS, _PATIENCE_S)
        stored = ground.store.sizes
        return Taken(
            peak_mb=agent.peak_mb(),
            written=agent.written_bytes() / sum(stored),
            jpeg_bytes=sum(stored) / len(stored),
            said=agent.said(),
        )


@contextmanager
def _scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sightline-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
