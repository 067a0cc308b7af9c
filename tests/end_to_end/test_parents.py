"""`docs/parents.md`: what the projects did that this one grew from, row by row."""

import csv
import io
import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from numpy.typing import NDArray

from cloud.videos.film import open_film
from cloud.videos.sampling import Sampling
from infra.local.stack import LocalSettings, LocalStack
from infra.target import Target
from sightline.faces import facenet, facenet_onnx
from sightline.faces.loading import load_recognizer
from tests.end_to_end.actors import eventually, run_command
from tests.end_to_end.films import grace_film
from tests.sightline.faces.networks import install
from tests.sightline.faces.test_facenet_onnx import random_weights

__all__ = ["grace_film"]

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "parents.md").read_text(encoding="utf-8")


def rows() -> list[str]:
    """All rows of the page's tables, less their heads."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| ")]
    return [line for line in lines if not line.startswith("| what it does")]


@pytest.mark.parametrize("row", rows(), ids=range(len(rows())))
def test_each_row_names_the_test_that_runs_it(row: str) -> None:
    [(file, name)] = re.findall(r"`(test_\w+\.py)::(test_\w+)` \|$", row)

    assert f"\ndef {name}(" in (PROJECT / "tests" / "end_to_end" / file).read_text("utf-8")


@pytest.mark.stack
def test_all_frames_of_a_video_go_to_stage_1(
    stack: LocalStack, target: Target, grace: str, grace_film: Path, tmp_path: Path
) -> None:
    name = f"all-{uuid4().hex[:8]}"
    film = tmp_path / f"{name}.mp4"
    film.write_bytes(grace_film.read_bytes())

    done = run_command(
        stack.settings.state, "video", film, "--sampling", "all", "--out", tmp_path / "out"
    )

    assert done.status == 0, done.err
    listed = target.client("s3").list_objects_v2(
        Bucket=target.output("StageBucket"), Prefix=f"{name}/"
    )
    assert [row["Key"] for row in listed["Contents"]] == [
        f"{name}/{number:05}.jpg" for number in range(1, 31)
    ]
    assert (tmp_path / "out" / f"{name}.txt").read_text() == "Grace Hopper\n"


@pytest.mark.stack
def test_the_csv_of_a_video_has_the_students_record(
    stack: LocalStack, target: Target, grace: str, grace_film: Path, tmp_path: Path
) -> None:
    state = stack.settings.state
    data = tmp_path / "student_data.json"
    record = {"name": "Grace Hopper", "major": "Mathematics", "year": "senior"}
    data.write_text(json.dumps([record]))
    before = run_command(state, "people", "show", grace, "--json").json[0]["record"]
    imported = run_command(state, "people", "import", data)
    assert imported.status == 0, imported.err
    name = f"class-{uuid4().hex[:8]}"
    s3 = target.client("s3")
    try:
        s3.put_object(
            Bucket=target.output("InputBucket"), Key=f"{name}.mp4", Body=grace_film.read_bytes()
        )
        [row] = read_csv(target, f"{name}.csv")
    finally:
        data.write_text(json.dumps([{"name": "Grace Hopper", **before}]))
        run_command(state, "people", "import", data)

    assert (row["id"], row["name"]) == (grace, "Grace Hopper")
    assert (row["major"], row["year"]) == ("Mathematics", "senior")
    assert float(row["first_seen"]) <= float(row["last_seen"]) < 3
    assert int(row["frames"]) >= 1


def read_csv(target: Target, key: str) -> list[dict[str, str]]:
    s3, bucket = target.client("s3"), target.output("OutputBucket")

    def there() -> Any:
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=key)
        return listed.get("Contents")

    eventually(key, there, deadline_s=60)
    text = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.stack
def test_whom_data_pt_knows_is_named_in_a_video(
    stack_settings: LocalSettings,
    grace_film: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Its weights cannot be shipped: random ones tell one picture from the next as well, and all of
    # the way from the file to the name is the same.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # where the command line looks for engines
    engines = tmp_path / "sightline"
    install(engines, facenet.CARD, facenet_onnx.to_onnx(random_weights()), facenet.PUBLISHED_ID)
    data = tmp_path / "data.pt"
    data.write_bytes(data_pt(embedding_of(grace_film, engines)))
    settings = replace(
        stack_settings,
        state=tmp_path / "stack",
        engine_folder=engines,
        parameters={"Engine": "facenet", "BucketPrefix": "1225000000"},
        stack="parents",
        workers=1,
    )
    with LocalStack(settings) as stack:
        imported = run_command(settings.state, "people", "import", data, "--force")
        assert imported.status == 0, imported.err
        target = Target.local(settings.state)
        s3 = target.client("s3")
        s3.put_object(Bucket="1225000000-input", Key="test_00.mp4", Body=grace_film.read_bytes())
        eventually("name", lambda: text_of(target, "test_00.txt"), deadline_s=90)
        assert stack.facts.outputs["OutputBucket"] == "1225000000-output"
        assert text_of(target, "test_00.txt") == "Ada Lovelace\n"


def text_of(target: Target, key: str) -> str | None:
    s3, bucket = target.client("s3"), target.output("OutputBucket")
    if not s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents"):
        return None
    text: str = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    return text


def embedding_of(film: Path, engines: Path) -> NDArray[np.float32]:
    """Embed the face in the film's first picture, as the project did that made data.pt."""
    recognizer = load_recognizer("facenet", folder=engines)
    with open_film(film) as opened:
        for still in opened.stills(Sampling.parse("every:0.5")):
            for face in recognizer.see(still.frame).faces:
                if face.embedding is not None:
                    return np.asarray(face.embedding, np.float32)
    raise AssertionError("there is no face in the film")


def data_pt(embedding: NDArray[np.float32]) -> bytes:
    """Put an embedding in the place of the first and of the last that torch saved."""
    file = io.BytesIO()
    golden = PROJECT / "tests" / "golden" / "imports" / "own.pt"
    with zipfile.ZipFile(golden) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            ours = name.endswith(("/data/0", "/data/2"))  # both Ada Lovelace's
            new.writestr(name, embedding.astype("<f4").tobytes() if ours else old.read(name))
    return file.getvalue()
