"""`evaluate`: how well this engine tells your people apart."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from infra.cli.console import err, print_json, tell
from infra.cli.evaluation_tables import show
from sightline.errors import ConfigError

if TYPE_CHECKING:
    from infra.evaluation.figures import Figures
    from infra.evaluation.gates import Gate, Step
    from infra.evaluation.pairs import Listed, Scores
    from infra.evaluation.photos import Face, LeftOut, Looker

app = typer.Typer()


@app.command(epilog="Example: ./run evaluate photos/")
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
        bool | None,
        typer.Option(
            help="Make faces smaller and more blurred, to see where recognition falls off."
            " By default of a folder; at most a hundred faces are taken."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The figures, as JSON.")] = False,
) -> None:
    """Measure an engine on your own photos: ROC, errors by name, a threshold and a margin to use.

    Writes roc.png, histogram.png, gates.png and scores.csv. Photos without a face are listed, and
    left out.
    """
    if (folder is None) == (pairs is None):
        raise ConfigError("give a folder with a folder a person, or --pairs FILE.csv")
    if gates and folder is None:
        raise ConfigError("--gates needs a folder: pairs do not say who else there is")
    # Here, since ONNX Runtime and OpenCV would make even `--help` wait for them.
    from infra.evaluation.figures import figures
    from infra.evaluation.gates import choose_gates
    from infra.evaluation.pairs import read_pairs, score_all, score_listed

    people: list[str] | None = None
    steps: Sequence[Step] = ()
    chosen: Sequence[Gate] = ()
    if folder is not None:
        looker, faces, left_out, people = _people(folder, engine)
        scores = score_all(faces, people)
    else:
        assert pairs is not None  # noqa: S101 - one of the two was given
        looker, faces, left_out, scores = _listed(read_pairs(pairs), engine, score_listed)
    found = figures(scores, looker.engine, people=people, left_out=left_out)
    if people is not None and gates is not False:
        steps = _sweep(looker, faces, people)
        chosen = choose_gates(steps)
    files = _write(out, scores, found, steps, chosen)
    if as_json:
        recommended = {gate.kind: gate.recommended for gate in chosen}
        rest = {"gates": list(map(asdict, steps)), "recommended_gates": recommended, "files": files}
        print_json(asdict(found) | rest)
        return
    show(found, steps, chosen)
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


def _sweep(looker: "Looker", faces: Sequence["Face"], people: Sequence[str]) -> list["Step"]:
    from infra.evaluation.gates import sweep, swept

    with _progress() as progress:
        task = progress.add_task("smaller, blurred", total=len(swept(len(faces))))
        return sweep(looker, faces, people, advance=lambda: progress.advance(task))


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    # Where nobody watches, not even its empty last line.
    disable = not err.is_terminal
    return Progress(*columns, TimeRemainingColumn(), console=err, transient=True, disable=disable)


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


def _write(
    out: Path,
    scores: "Scores",
    found: "Figures",
    steps: Sequence["Step"],
    chosen: Sequence["Gate"],
) -> list[str]:
    from infra.evaluation.charts import gates_chart, histogram, roc_chart
    from infra.evaluation.pairs import write_scores
    from sightline.faces.metrics import Pairs

    pairs = Pairs.of(scores.distances, scores.same)
    name, threshold = found.engine, found.default.threshold
    recommended = found.recommended.threshold
    pictures = {
        "roc.png": roc_chart(pairs, engine=name, threshold=threshold, recommended=recommended),
        "histogram.png": histogram(
            pairs, engine=name, threshold=threshold, recommended=recommended
        ),
    }
    if any(step.found for step in steps):
        pictures["gates.png"] = gates_chart(steps, chosen, engine=name)
    csv = out / "scores.csv"
    try:
        out.mkdir(parents=True, exist_ok=True)
        for file, picture in pictures.items():
            picture.save(out / file)
        write_scores(scores, csv)
    except OSError as error:
        raise ConfigError(f"cannot write to {out}: {error.strerror or error}") from error
    return [*(str(out / file) for file in pictures), str(csv)]
