"""Pairs to figures: read, scored, summed up, drawn."""

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from infra.evaluation.charts import histogram, roc_chart
from infra.evaluation.figures import figures
from infra.evaluation.pairs import read_pairs, score_all, score_listed, write_scores
from infra.evaluation.photos import Face, LeftOut, photos_in
from sightline.errors import ConfigError
from sightline.faces.engines import Engine
from sightline.faces.metrics import Pairs

ENGINE = cast(Engine, SimpleNamespace(id="toy@1", threshold=0.5, margin=0.05))


def a_face(photo: str, *embedding: float, side_px: float = 90, others: int = 0) -> Face:
    return Face(
        photo=photo,
        side_px=side_px,
        sharpness=0.3,
        others=others,
        embedding=np.array(embedding, np.float32),
    )


FACES = [
    a_face("ada/1.jpg", 0, 0),
    a_face("ada/2.jpg", 0.1, 0, side_px=30),
    a_face("bob/1.jpg", 1, 0),
    a_face("bob/2.jpg", 1, 0.2, others=1),
    a_face("eve/1.jpg", 0, 2),
]
PEOPLE = ["ada", "ada", "bob", "bob", "eve"]


def files(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_every_pair_of_photos_is_scored_once() -> None:
    scores = score_all(FACES, PEOPLE)

    found = {
        (scores.faces[i].photo, scores.faces[j].photo): (bool(same), round(float(d), 3))
        for i, j, same, d in zip(
            scores.first, scores.second, scores.same, scores.distances, strict=True
        )
    }
    assert len(found) == 10
    assert found["ada/1.jpg", "ada/2.jpg"] == (True, 0.1)
    assert found["ada/2.jpg", "bob/1.jpg"] == (False, 0.9)


def test_the_figures_are_those_of_the_pairs() -> None:
    left_out = [LeftOut(photo="eve/2.jpg", reason="no face was found")]

    found = figures(score_all(FACES, PEOPLE), ENGINE, people=PEOPLE, left_out=left_out)

    assert (found.faces, found.people) == (5, 3)
    assert (found.same_pairs, found.different_pairs) == (2, 8)
    assert (found.auc, found.most_accurate.accuracy) == (1, 1)
    assert (found.default.pairs.tar, found.default.pairs.far) == (1, 0)
    assert found.default.identification is not None
    assert found.default.identification.named_rightly == 4
    assert found.default.identification.strangers_named == 0
    assert {found.closest.first, found.closest.second} == {"ada/2.jpg", "bob/1.jpg"}
    assert found.closest.distance == pytest.approx(0.9)
    assert 0.2 < found.recommended.threshold < 0.9
    assert found.recommended.margin is not None
    assert found.left_out == tuple(left_out)
    assert found.several == ("bob/2.jpg",)
    assert [far for far, there in found.at_fars if there is not None] == []


def test_a_pair_is_in_the_band_of_its_smaller_face() -> None:
    found = figures(score_all(FACES, PEOPLE), ENGINE, people=PEOPLE)

    bands = {(band.low, band.high): band for band in found.by_side}
    assert set(bands) == {(24, 32), (80, 112)}
    assert (bands[24, 32].same, bands[24, 32].different) == (1, 3)
    assert (bands[24, 32].tar, bands[24, 32].far) == (1, 0)
    assert [band.high for band in found.by_sharpness] == [0.32]


def test_without_people_nobody_is_identified() -> None:
    found = figures(score_all(FACES, PEOPLE), ENGINE)

    assert found.people is None
    assert found.default.identification is None
    assert (found.default.margin, found.recommended.margin) == (None, None)


def test_without_pairs_of_a_kind_there_are_no_figures() -> None:
    with pytest.raises(ConfigError, match="no pair of faces of the same person"):
        figures(score_all(FACES[::2], PEOPLE[::2]), ENGINE)
    with pytest.raises(ConfigError, match="different people to judge by; 1 photos had no usable"):
        figures(
            score_all(FACES[:2], PEOPLE[:2]),
            ENGINE,
            left_out=[LeftOut(photo="x.jpg", reason="no face was found")],
        )


def test_pairs_are_read_relative_to_their_file(tmp_path: Path) -> None:
    files(tmp_path, "photos/a.jpg", "photos/b.jpg", "c.jpg")
    file = tmp_path / "pairs.csv"
    file.write_text("first,second,label\nphotos/a.jpg, photos/b.jpg,same\n\nc.jpg,photos/a.jpg,0\n")

    first, second = read_pairs(file)

    assert (first.first, first.second, first.same) == (
        tmp_path / "photos/a.jpg",
        tmp_path / "photos/b.jpg",
        True,
    )
    assert not second.same


@pytest.mark.parametrize("header", ["a,b,same", "First Photo, second_photo, same/different", ""])
def test_a_line_of_names_before_the_pairs_is_no_pair(header: str, tmp_path: Path) -> None:
    files(tmp_path, "a.jpg", "b.jpg")
    file = tmp_path / "pairs.csv"
    file.write_text(f"{header}\r\na.jpg,b.jpg,same\r\nb.jpg,a.jpg,no\r\n", newline="")

    assert [pair.same for pair in read_pairs(file)] == [True, False]


def test_photos_without_an_ending_are_no_line_of_names(tmp_path: Path) -> None:
    files(tmp_path, "a", "b")
    file = tmp_path / "pairs.csv"
    file.write_text("a,b,same\nb,a,different\n")

    assert len(read_pairs(file)) == 2


def test_absent_photos_are_all_named(tmp_path: Path) -> None:
    files(tmp_path, "a.jpg")
    file = tmp_path / "pairs.csv"
    file.write_text("a.jpg,gone.jpg,same\nlost.jpg,a.jpg,different\n")

    with pytest.raises(ConfigError, match="names 2 photos that are not there") as raised:
        read_pairs(file)
    assert f"{tmp_path}/gone.jpg" in str(raised.value)
    assert f"{tmp_path}/lost.jpg" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a.jpg,a.jpg,same\na.jpg,a.jpg,perhaps\n", "line 2: write two photos and same"),
        ("a.jpg,a.jpg,perhaps\na.jpg,a.jpg,same\n", "line 1: write two photos and same"),
        ("a,b,same\na,b,same\n", "names 2 photos that are not there"),
        ("a.jpg,a.jpg\n", "line 1: write two photos"),
        ("a,b\na.jpg,a.jpg,same\n", "line 1: write two photos"),
        ("a.jpg,a.jpg,same\n", "pairs of the same person and of different ones"),
        ("", "pairs of the same person and of different ones"),
    ],
)
def test_a_wrong_file_of_pairs_is_refused(text: str, complaint: str, tmp_path: Path) -> None:
    files(tmp_path, "a.jpg")
    (tmp_path / "pairs.csv").write_text(text)

    with pytest.raises(ConfigError, match=complaint):
        read_pairs(tmp_path / "pairs.csv")


def test_a_missing_file_of_pairs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_pairs(tmp_path / "pairs.csv")


def test_pairs_with_a_photo_without_a_face_are_left_out(tmp_path: Path) -> None:
    files(tmp_path, "a.jpg", "b.jpg", "empty.jpg")
    file = tmp_path / "pairs.csv"
    file.write_text("a.jpg,b.jpg,same\na.jpg,empty.jpg,different\n")
    faces = [a_face(str(tmp_path / "a.jpg"), 0, 0), a_face(str(tmp_path / "b.jpg"), 3, 4)]

    scores = score_listed(faces, read_pairs(file))

    assert scores.distances.tolist() == [5]
    assert scores.same.tolist() == [True]


def test_all_scores_are_written(tmp_path: Path) -> None:
    write_scores(score_all(FACES, PEOPLE), tmp_path / "scores.csv")

    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    assert rows[0] == {
        "first": "ada/1.jpg",
        "second": "ada/2.jpg",
        "truth": "same",
        "distance": "0.100000",
    }


def test_one_person_only_is_refused(tmp_path: Path) -> None:
    files(tmp_path, "ada/1.jpg", "ada/2.jpg")

    with pytest.raises(ConfigError, match="one person only"):
        photos_in(tmp_path)


def inked(picture: Image.Image) -> NDArray[np.bool_]:
    """Where there is blue."""
    pixels = np.asarray(picture, np.int16)
    blue: NDArray[np.bool_] = (pixels[..., 2] - pixels[..., 0]) > 60
    return blue


def test_a_perfect_roc_runs_along_the_left_and_the_top() -> None:
    pairs = Pairs(same=np.linspace(0.1, 0.4, 50), different=np.linspace(0.6, 1, 50))

    rows, columns = np.nonzero(inked(roc_chart(pairs, engine="toy@1")))

    on_the_edges = (np.abs(rows - rows.min()) < 5) | (np.abs(columns - columns.min()) < 5)
    assert on_the_edges.all()
    assert len(rows) > 1_000


def test_the_histogram_has_near_pairs_at_the_left() -> None:
    pairs = Pairs(same=np.linspace(0.1, 0.4, 50), different=np.linspace(0.6, 1, 50))
    picture = histogram(pairs, engine="toy@1", threshold=0.5, recommended=0.52)

    _, columns = np.nonzero(inked(picture)[100:])

    assert columns.max() < 0.5 * picture.width


def test_pictures_are_drawn_of_the_fewest_pairs() -> None:
    pairs = Pairs(same=np.array([0.0]), different=np.array([0.0]))

    assert roc_chart(pairs, engine="toy@1").size == (880, 600)
    histogram(pairs, engine="toy@1", threshold=0.5, recommended=0.0)
