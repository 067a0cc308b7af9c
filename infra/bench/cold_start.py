"""From the start of a process to its first frame answered."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from infra.packaging import PROJECT
from sightline.errors import ConfigError
from sightline.faces.engines import load_engine, prepare_engine

PORTRAIT = PROJECT / "tests" / "data" / "grace-hopper.jpg"
_PROGRAM = PROJECT / "infra" / "bench" / "first_frame.py"
_WIDTH, _HEIGHT = 1280, 720
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """One way to start, at its best: other processes can only add to it."""

    name: str
    total_ms: float  # from before the process is made, to its answer read
    stages: Mapping[str, float]  # milliseconds since the interpreter ran, when each was done
    resident_mb: float
    times_ms: tuple[float, ...]  # of every run


def cold_start(
    scratch: Path,
    *,
    engine: str,
    runs: int,
    folder: Path | None = None,
    reference: Path | None = None,
    say: Callable[[str], None],
) -> list[ColdStart]:
    """Start each way *runs* times, in turn.

    Args:
        scratch: Where the frame is written.
        engine: Its name.
        runs: Of each way.
        folder: Where the engine lies; by default the user's cache.
        reference: An interpreter with facenet-pytorch, to start beside ours.
        say: Told how far it is.

    Raises:
        ConfigError: A process failed; the text ends with what it said last.
        ModelError: The engine is not here.
    """
    frame = scratch / "frame.jpg"
    write_frame(frame)
    where = str(prepare_engine(engine, folder).parent)
    load_engine(engine, folder=folder)  # keeps the graph
    module = [sys.executable, str(_PROGRAM), str(frame), where, engine]
    ways = {
        f"{engine}": [*module, "kept"],
        f"{engine}, in turn, from the ONNX file": [*module, "unkept"],
    }
    if reference is not None:
        weights = str(scratch / "random.pt")
        by = [str(reference), str(_PROGRAM)]
        _start("facenet-pytorch", [*by, weights, "weights"])
        ways["facenet-pytorch"] = [*by, str(frame), "reference", weights]
    found: dict[str, list[ColdStart]] = {name: [] for name in ways}
    for i in range(runs):
        say(f"run {i + 1} of {runs} …")
        for name, command in ways.items():
            found[name].append(_start(name, command))
    return [_best(starts) for starts in found.values()]


def write_frame(path: Path) -> None:
    """Write a picture of 1280 x 720 px with one face of 130 px."""
    portrait = cv2.imread(str(PORTRAIT))
    if portrait is None:
        raise ConfigError(f"{PORTRAIT} cannot be read")
    side = 480
    canvas = np.full((_HEIGHT, _WIDTH, 3), 110, np.uint8)
    width = portrait.shape[1] * side // portrait.shape[0]
    left, top = (_WIDTH - width) // 2, (_HEIGHT - side) // 2
    canvas[top : top + side, left : left + width] = cv2.resize(
        portrait, (width, side), interpolation=cv2.INTER_AREA
    )
    cv2.imwrite(str(path), canvas)


def _start(name: str, command: Sequence[str]) -> ColdStart:
    environment = {**os.environ, **_ONE_THREAD, "PYTHONPATH": str(PROJECT)}
    began = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=PROJECT
    ) as process:
        assert process.stdout is not None  # noqa: S101 - both are pipes
        assert process.stderr is not None  # noqa: S101
        line = process.stdout.readline()
        total_ms = (time.perf_counter() - began) * 1000
        complaint = process.stderr.read().decode(errors="replace").strip().splitlines()
    if process.returncode != 0 or not line:
        said = complaint[-1] if complaint else f"status {process.returncode}"
        raise ConfigError(f"{name} did not answer: {said}")
    answer = json.loads(line)
    return ColdStart(
        name=name,
        total_ms=total_ms,
        stages=answer["stages"],
        resident_mb=answer["resident_mb"],
        times_ms=(total_ms,),
    )


def _best(starts: Sequence[ColdStart]) -> ColdStart:
    best = min(starts, key=lambda start: start.total_ms)
    return ColdStart(
        name=best.name,
        total_ms=best.total_ms,
        stages=best.stages,
        resident_mb=best.resident_mb,
        times_ms=tuple(start.total_ms for start in starts),
    )
