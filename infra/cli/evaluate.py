"""`evaluate`: how well this engine tells your people apart."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from infra.cli.console import err, print_json, print_table, say, tell
from sightline.errors import ConfigError

if TYPE_CHECKING:
    from infra.evaluation.figures import Band, Figures, Setting
    from infra.evaluation.gates import Step
    from infra.evaluation.pairs import Listed, Scores
    from infra.evaluation.photos import Face, LeftOut, Looker

_FEW_PAIRS = 300  # one in a hundred is then known to about half of itself

app = typer.Typer()


@app.command()
def evaluate(
    folder: Annotated[
        Path | None, typer.Argument(help="A folder of folders, one a person, named after them.")
    ] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="A CSV file: two photos, and same or different.")
    ] = None,
    engine: Annotated[str, typer.Option(help="Which engine.")] = "dlib",
    out: Annotated[Path, typer.Option(help="Where the pictures and the scores go.")] = Path(
        "evaluation"
    ),
    gates: Annotated[
        bool, typer.Option(help="Also make every face smaller and more blurred; takes longer.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The figures, as JSON.")] = False,
) -> None:
    """Measure an engine on your own photos: ROC, errors by name, a threshold and a margin to use.

    Writes roc.png, histogram.png and scores.csv. Photos without a face are listed, and left out.
    """
    if (folder is None) == (pairs is None):
        raise ConfigError("give a folder with a folder a person, or --pairs FILE.csv")
    if gates and folder is None:
        raise ConfigError("--gates needs a folder: pairs do not say who else there is")
    # Here, since ONNX Runtime and OpenCV would make even `--help` wait for them.
    from infra.evaluation.figures import figures
    from infra.evaluation.pairs import read_pairs, score_all, score_listed

    people: list[str] | None = None
    steps: Sequence[Step] = ()
    if folder is not None:
        looker, faces, left_out, people = _people(folder, engine)
        scores = score_all(faces, people)
    else:
        assert pairs is not None  # noqa: S101 - one of the two was given
        looker, faces, left_out, scores = _listed(read_pairs(pairs), engine, score_listed)
    found = figures(scores, looker.engine, people=people, left_out=left_out)
    if gates and people is not None:
        steps = _gates(looker, faces, people)
    files = _write(out, scores, found)
    if as_json:
        print_json(asdict(found) | {"gates": [asdict(step) for step in steps], "files": files})
        return
    _show(found, steps)
    tell(f"\nwritten  {', '.join(files)}")


def _looker(engine: str) -> "Looker":
    from infra.evaluation.photos import SMALLEST_FACE_PX, Looker
    from sightline.faces.detector import Detector
    from sightline.faces.engines import load_engine

    return Looker(Detector(smallest_face_px=SMALLEST_FACE_PX), load_engine(engine))


def _people(folder: Path, engine: str) -> tuple["Looker", list["Face"], list["LeftOut"], list[str]]:
    from infra.evaluation.photos import everybody, photos_in

    given = list(everybody(photos_in(folder)))
    looker = _looker(engine)
    looked = _look(looker, [photo for _, photo in given])
    people = [person for (person, _), face in zip(given, looked, strict=True) if _is_face(face)]
    faces, left_out = _apart(looked)
    if len(set(people)) < 2:
        raise ConfigError(
            f"faces of {len(set(people))} people were found in {folder}; two are needed"
        )
    return looker, faces, left_out, people


def _listed(
    listed: Sequence["Listed"],
    engine: str,
    score: Callable[[Sequence["Face"], Sequence["Listed"]], "Scores"],
) -> tuple["Looker", list["Face"], list["LeftOut"], "Scores"]:
    looker = _looker(engine)
    photos = dict.fromkeys(photo for pair in listed for photo in (pair.first, pair.second))
    faces, left_out = _apart(_look(looker, list(photos)))
    if not faces:
        raise ConfigError("no photo has a face")
    return looker, faces, left_out, score(faces, listed)


def _look(looker: "Looker", photos: Sequence[Path]) -> list["Face | LeftOut"]:
    with _progress() as progress:
        return [looker.look(photo) for photo in progress.track(photos, description="photos")]


def _gates(looker: "Looker", faces: Sequence["Face"], people: Sequence[str]) -> list["Step"]:
    from infra.evaluation.gates import sweep

    with _progress() as progress:
        task = progress.add_task("smaller, blurred", total=len(faces))
        return sweep(looker, faces, people, advance=lambda: progress.advance(task))


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeRemainingColumn(), console=err, transient=True)


def _is_face(looked: "Face | LeftOut") -> bool:
    from infra.evaluation.photos import Face

    return isinstance(looked, Face)


def _apart(looked: Iterable["Face | LeftOut"]) -> tuple[list["Face"], list["LeftOut"]]:
    from infra.evaluation.photos import Face

    faces: list[Face] = []
    left_out: list[LeftOut] = []
    for each in looked:
        if isinstance(each, Face):
            faces.append(each)
        else:
            left_out.append(each)
    return faces, left_out


def _write(out: Path, scores: "Scores", found: "Figures") -> list[str]:
    from infra.evaluation.charts import histogram, roc_chart
    from infra.evaluation.pairs import write_scores
    from sightline.faces.metrics import Pairs

    pairs = Pairs.of(scores.distances, scores.same)
    roc, bars, csv = (out / name for name in ("roc.png", "histogram.png", "scores.csv"))
    try:
        out.mkdir(parents=True, exist_ok=True)
        roc_chart(pairs, engine=found.engine).save(roc)
        histogram(
            pairs,
            engine=found.engine,
            threshold=found.default.threshold,
            recommended=found.recommended.threshold,
        ).save(bars)
        write_scores(scores, csv)
    except OSError as error:
        raise ConfigError(f"cannot write to {out}: {error.strerror or error}") from error
    return [str(roc), str(bars), str(csv)]


def _show(found: "Figures", steps: Sequence["Step"]) -> None:
    of = "" if found.people is None else f" of {found.people} people"
    tell(f"{found.engine}: {found.faces} faces{of}, {found.same_pairs} pairs of the same person,")
    tell(f"{found.different_pairs} of different ones")
    for each in found.left_out:
        say(f"left out  {each.photo}: {each.reason}")
    for photo in found.several:
        say(f"several faces  {photo}: the largest was taken")
    best = found.most_accurate
    tell(f"\nROC-AUC           {found.auc:.4f}")
    tell(f"best accuracy     {best.accuracy:.4f} at {best.threshold:.3f}, chosen on these pairs")
    for far, there in found.at_fars:
        tell(f"TAR at FAR {far:<6g} {_at(there, far, found.different_pairs)}")
    close = found.closest
    tell(f"closest strangers {close.distance:.3f}: {close.first}, {close.second}\n")
    if found.people is not None:
        tell("each face once as somebody known, named rightly, wrongly or missed, and once as a")
        tell("stranger, all photos of whom are left out: how many of those are named")
    settings = (("default", found.default), ("recommended", found.recommended))
    print_table(_COLUMNS, [_row(name, setting) for name, setting in settings], empty="")
    if found.same_pairs < _FEW_PAIRS or found.different_pairs < _FEW_PAIRS:
        say("few pairs: what is recommended from them may not hold for other people")
    for what, bands in (("smallest side, px", found.by_side), ("sharpness", found.by_sharpness)):
        tell("")
        print_table((what, "same", "found", "different", "mistaken"), _bands(bands), empty="")
    if steps:
        tell("\neach face changed, against all unchanged photos, at the default threshold")
        print_table(_STEPS, [_step(each) for each in steps], empty="")


_COLUMNS = ("", "below", "margin", "TAR", "FAR", "rightly", "wrongly", "missed", "strangers")
_STEPS = ("", "faces", "detected", "side px", "sharpness", "recognised", "mistaken")


def _at(there: Any, far: float, pairs: int) -> str:
    if there is None:
        return f"not shown: {1 / far:,.0f} different pairs are needed, and there are {pairs:,}"
    return f"{there.tar:.4f} at {there.threshold:.3f}"


def _row(name: str, setting: "Setting") -> tuple[str, ...]:
    found = setting.identification
    named = (
        ("", "", "", "")
        if found is None
        else (
            f"{found.named_rightly} of {found.known}",
            str(found.named_wrongly),
            str(found.missed),
            f"{found.strangers_named} of {found.strangers}",
        )
    )
    return (
        name,
        f"{setting.threshold:.3f}",
        "" if setting.margin is None else f"{setting.margin:.2f}",
        f"{setting.pairs.tar:.3f}",
        f"{setting.pairs.far:.3f}",
        *named,
    )


def _bands(bands: Sequence["Band"]) -> list[tuple[str, ...]]:
    return [
        (
            f"{band.low:g} and more" if band.high is None else f"{band.low:g} to {band.high:g}",
            str(band.same),
            _share(band.tar),
            str(band.different),
            _share(band.far),
        )
        for band in bands
    ]


def _step(step: "Step") -> tuple[str, ...]:
    return (
        step.what,
        str(step.faces),
        str(step.found),
        "" if step.side_px is None else f"{step.side_px:.0f}",
        "" if step.sharpness is None else f"{step.sharpness:.3f}",
        _share(step.recognised),
        _share(step.mistaken),
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
