"""The engines on this machine: added, listed, measured."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from infra.download import Progress, download
from infra.environments import Environment, Say
from infra.export.int8 import Effect
from infra.packaging import PROJECT
from sightline.errors import ModelError, TransportError
from sightline.faces import facenet
from sightline.faces.cache import cache_folder
from sightline.faces.cards import Card
from sightline.faces.engines import NAMES, engine_card, load_engine, prepare_engine

EXPORT = Environment(
    folder=PROJECT / ".venv-export",
    requirements=PROJECT / "requirements" / "export.txt",
    bare=("facenet-pytorch==2.5.3",),  # it asks for torchvision and requests, and uses neither here
    size="about 1.5 GB, on Linux with an Intel or AMD processor about 5 GB",
)
EXPORT_PYTHON = "SIGHTLINE_EXPORT_PYTHON"

WAYS_OUT = (
    "Two ways out: the same again where there is a network; or fetch {name} elsewhere"
    " and ./run engines add facenet --weights {name}"
)
_RUNS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One engine, as `./run engines` shows it."""

    name: str
    card: Card | None  # None: it is not here
    mend: str  # why not, or what is wrong with it; empty if all is well
    megabytes: float = 0.0
    face_ms: float | None = None  # to embed one face, on one core of this machine
    people: tuple[str, ...] = ()  # ids of those who have embeddings of it

    @property
    def effect(self) -> str:
        """What an INT8 form changed, measured when it was made."""
        found = self.card.notes.get("effect") if self.card else None
        return str(Effect(**found)) if found else ""


def listed(
    folder: Path | None = None, *, faces: Iterable[tuple[str, str]] = (), measure: bool = True
) -> list[Listed]:
    """Look at every engine.

    Args:
        folder: Where their files lie; by default the user's cache.
        faces: Person and engine of every face that is enrolled.
        measure: Load each, and time it.
    """
    whose: dict[str, set[str]] = {}
    for person, engine in faces:
        whose.setdefault(engine, set()).add(person)
    rows = [_listed(name, folder, whose, measure=measure) for name in NAMES]
    here = {row.card.id for row in rows if row.card}
    rows += [
        Listed(name=id_, card=None, mend="not on this machine", people=tuple(sorted(people)))
        for id_, people in sorted(whose.items())
        if id_ not in here
    ]
    return rows


def add_facenet(
    *,
    weights: Path | None,
    folder: Path | None,
    say: Say,
    progress: Progress,
    environment: Environment = EXPORT,
    environ: Mapping[str, str] = os.environ,
    url: str = facenet.WEIGHTS_URL,
) -> dict[str, Any]:
    """Export the network to ONNX, from the published weights or from others.

    Args:
        weights: A state dict of facenet-pytorch's InceptionResnetV1; None: the published one.
        folder: Where the engine shall lie; by default the user's cache.
        say: Told what happens.
        progress: Told how far the download is.
        environment: Where torch is, or shall be installed.
        environ: May name another in `SIGHTLINE_EXPORT_PYTHON`.
        url: Of the published weights.

    Returns:
        The engine's id, digest and size, and its difference to torch.

    Raises:
        ModelError: The weights are not what they should be, or the export differs from torch.
        TransportError: The weights cannot be downloaded; the text names both ways out.
        ConfigError: The environment cannot be made.
    """
    folder = folder or cache_folder()
    if weights is None:
        weights = _published(folder, url, say, progress)
    elif not weights.is_file():
        raise ModelError(f"there is no file {weights}")
    given = environ.get(EXPORT_PYTHON)
    python = Path(given) if given else environment.make(say)
    say("exporting, and comparing with torch …")
    command = [str(python), "-m", "infra.export.facenet", str(weights), str(folder)]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=PROJECT,
            env={**environ, "PYTHONPATH": str(PROJECT)},
        )
    except OSError as err:
        raise ModelError(f"cannot run {python}: {err.strerror}") from err
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise ModelError(lines[-1])
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _published(folder: Path, url: str, say: Say, progress: Progress) -> Path:
    name = url.rpartition("/")[2]
    path = folder / "downloads" / name
    say(f"{url} ({facenet.WEIGHTS_BYTES / 1e6:.0f} MB)")
    try:
        download(url, path, sha256=facenet.WEIGHTS_SHA256, progress=progress)
    except TransportError as err:
        raise TransportError(f"{err}. {WAYS_OUT.format(name=name)}") from err
    return path


def _listed(
    name: str, folder: Path | None, whose: Mapping[str, set[str]], *, measure: bool
) -> Listed:
    try:
        card = engine_card(name, folder)
        path = prepare_engine(name, folder)
        face_ms = _face_ms(name, folder) if measure else None
    except ModelError as err:
        return Listed(name=name, card=None, mend=str(err))
    return Listed(
        name=name,
        card=card,
        mend="",
        megabytes=path.stat().st_size / 1e6,
        face_ms=face_ms,
        people=tuple(sorted(whose.get(card.id, ()))),
    )


def _face_ms(
    name: str, folder: Path | None, clock: Callable[[], float] = time.perf_counter
) -> float:
    engine = load_engine(name, folder=folder)
    chip = np.full((1, engine.chip_size, engine.chip_size, 3), 128, np.uint8)
    engine.embed(chip)
    times = []
    for _ in range(_RUNS):
        start = clock()
        engine.embed(chip)
        times.append(clock() - start)
    return min(times) * 1000
