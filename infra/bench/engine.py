"""Detector and engines beside what a user would pick instead: facenet-pytorch, and dlib itself.

Both sides get the same files and one thread each, and work in turns; a ratio is the median over
the turns of the reference's processor time a frame by ours.
"""

import hashlib
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from infra.bench.pictures import FRAMES, PORTRAITS, write_pictures
from infra.bench.workers import Window, Worker
from sightline.errors import ModelError
from sightline.faces import facenet
from sightline.faces.cache import cache_folder
from sightline.faces.cards import write_card
from sightline.faces.engines import engine_card, prepare_engine
from sightline.faces.files import write_at_once

Say = Callable[[str], None]

REFERENCE = "reference"
WINDOW_S = 0.5
SMALL = ("facenet", "facenet-int8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison: what is done, by which of ours, against what, and what is to be reached."""

    name: str
    task: str
    engine: str = "dlib"
    against: str | None = None  # the reference's task; the same unless given
    passes: int = FRAMES  # pictures a pass
    ratio: float | None = None  # at least
    most_ms: float | None = None


ROWS = (
    Row(name="one face, `dlib`", task="pipeline one", ratio=8),
    Row(name="one face, `facenet` FP32", task="pipeline one", engine="facenet", ratio=4.5),
    Row(name="one face, `facenet` INT8", task="pipeline one", engine="facenet-int8", ratio=6),
    Row(
        name="one face, `facenet` FP32, the reference with crops of 160 px, too",
        task="pipeline one",
        engine="facenet",
        against="pipeline one 160",
    ),
    Row(
        name="one face, `facenet` INT8, the reference with crops of 160 px, too",
        task="pipeline one",
        engine="facenet-int8",
        against="pipeline one 160",
    ),
    Row(name="six faces, `dlib`", task="pipeline six", ratio=8),
    Row(name="detector alone, both from 20 px, one face", task="detect one", ratio=3),
    Row(name="detector alone, both from 20 px, six faces", task="detect six", ratio=3),
    Row(name="`dlib` network alone against dlib-bin, one face", task="embed", passes=2),
    Row(name="decoding 12 megapixels to look at 1280 px", task="decode", passes=1, most_ms=60),
)

MOST_MB = {"dlib": 160, "facenet": 260}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What came of a row."""

    row: Row
    ours_ms: float  # a picture, of processor time: the median over the turns
    reference_ms: float | None
    ratio: float | None
    ours_faces: float  # a picture
    reference_faces: float | None

    @property
    def reached(self) -> bool | None:
        """Whether it is what was to be reached; None if nothing was, or cannot be said."""
        if self.row.most_ms is not None:
            return self.ours_ms <= self.row.most_ms
        if self.row.ratio is None or self.ratio is None:
            return None
        return self.ratio >= self.row.ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """All that one run measured."""

    pictures: str  # what they were made of
    turns: int
    figures: Sequence[Figure]
    resident_mb: dict[str, float]  # by engine, and the reference's
    stages: Sequence[dict[str, Any]]
    versions: dict[str, dict[str, str]]
    notes: Sequence[str] = field(default=())


def measure(
    scratch: Path, *, python: Path | None, turns: int, say: Say, window_s: float = WINDOW_S
) -> Results:
    """Measure everything.

    Args:
        scratch: An empty folder for pictures and engines.
        python: The reference's interpreter; None measures ours alone.
        turns: How often each side works on each task.
        say: Told how far it is.
        window_s: How long, of processor time, each works on each task in a turn.

    Raises:
        ModelError: An engine cannot be made.
        ConfigError: A process of either side did not come up.
    """
    pictures = write_pictures(scratch)
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        if python is not None:
            say("loading the reference …")
            workers[REFERENCE] = stack.enter_context(Worker.reference(python, scratch))
        folders, notes = _engines(workers.get(REFERENCE), scratch, say)
        for name, folder in folders.items():
            workers[name] = stack.enter_context(Worker.ours(name, scratch, folder))
        rows = [row for row in ROWS if row.engine in workers]
        say("warming up …")
        resident = dict(_resident(workers))
        windows = _windows(workers, rows, turns, window_s, say)
        say("each network against this machine's arithmetic …")
        stages = workers["dlib"].stages(window_s)
        for name in SMALL:
            if name in workers:
                stages += [
                    each for each in workers[name].stages(window_s) if each["name"].startswith(name)
                ]
        return Results(
            pictures=pictures,
            turns=turns,
            figures=[_figure(row, windows) for row in rows],
            resident_mb=resident,
            stages=stages,
            versions={
                side: workers[side].versions() for side in ("dlib", REFERENCE) if side in workers
            },
            notes=notes,
        )


def _engines(
    reference: Worker | None, scratch: Path, say: Say
) -> tuple[dict[str, Path], list[str]]:
    """Engine -> the folder it lies in; and what is to be said of them."""
    prepare_engine("dlib")
    folders = {"dlib": cache_folder()}
    if reference is None:
        for name in SMALL:
            try:
                engine_card(name)
            except ModelError as err:
                return folders, [f"`{name}` was left out: {err}"]
            folders[name] = cache_folder()
        return folders, []
    say("making facenet of the reference's own weights, and its INT8 form …")
    folder = scratch / "engines"
    _write_facenet(folder, reference.weights())
    from infra.quantising import quantise_engine

    quantise_engine("facenet", PORTRAITS, folder, say=lambda _: None)
    note = "both `facenet` networks have the reference's random weights: the published take as long"
    return {**folders, "facenet": folder, "facenet-int8": folder}, [note]


def _write_facenet(folder: Path, weights: Path) -> None:
    from sightline.faces.facenet_onnx import to_onnx

    with np.load(weights) as state:
        data = to_onnx({name: state[name] for name in state.files})
    digest = hashlib.sha256(data).hexdigest()
    card = replace(facenet.CARD, id="facenet-random@1", digest=digest)
    folder.mkdir()
    write_at_once(folder / card.file, data)
    write_card(folder / card.file, card)


def _resident(workers: dict[str, Worker]) -> Iterator[tuple[str, float]]:
    for name, worker in workers.items():
        for task in ("pipeline one", "pipeline six"):
            worker.run(task, 0)
        yield name, worker.resident_mb()


def _windows(
    workers: dict[str, Worker], rows: Sequence[Row], turns: int, window_s: float, say: Say
) -> dict[tuple[str, str], list[Window]]:
    """Worker and task -> a window a turn, in turns: whatever disturbs one disturbs the other."""
    wanted = list(
        dict.fromkeys(
            pair
            for row in rows
            for pair in ((REFERENCE, row.against or row.task), (row.engine, row.task))
            if pair[0] in workers and pair[1] in workers[pair[0]].tasks
        )
    )
    windows: dict[tuple[str, str], list[Window]] = {pair: [] for pair in wanted}
    for turn in range(turns):
        say(f"turn {turn + 1} of {turns}: {len(wanted)} tasks …")
        for name, task in wanted:
            windows[name, task].append(workers[name].run(task, window_s))
    return windows


def _figure(row: Row, windows: dict[tuple[str, str], list[Window]]) -> Figure:
    ours = windows[row.engine, row.task]
    theirs = windows.get((REFERENCE, row.against or row.task), [])
    ratios = [b.cpu_s / a.cpu_s for a, b in zip(ours, theirs, strict=False)]

    def a_picture(values: Sequence[float]) -> float | None:
        return statistics.median(values) / row.passes if values else None

    ours_ms = a_picture([each.cpu_s * 1e3 for each in ours])
    assert ours_ms is not None  # noqa: S101 - every row of ours has its windows
    return Figure(
        row=row,
        ours_ms=ours_ms,
        reference_ms=a_picture([each.cpu_s * 1e3 for each in theirs]),
        ratio=statistics.median(ratios) if ratios else None,
        ours_faces=ours[0].faces / row.passes,
        reference_faces=theirs[0].faces / row.passes if theirs else None,
    )
