"""Pairs of photos, from a CSV file or from all that a folder of people allows."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infra.evaluation.photos import Face
from sightline.errors import ConfigError
from sightline.faces.identification import distances_between

_SAME = frozenset({"same", "1", "true", "yes"})
_DIFFERENT = frozenset({"different", "0", "false", "no"})
_NAMED_AT_MOST = 20  # absent files, in one error


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A line of the CSV file."""

    first: Path
    second: Path
    same: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """Pairs of faces with their distances. (n,) each."""

    faces: Sequence[Face]
    first: NDArray[np.intp]  # in `faces`
    second: NDArray[np.intp]
    same: NDArray[np.bool_]
    distances: NDArray[np.float64]

    def least(self, of: str) -> NDArray[np.float64]:
        """Give for each pair the lesser of both faces' attribute *of*."""
        values = np.array([getattr(face, of) for face in self.faces], np.float64)
        lesser: NDArray[np.float64] = np.minimum(values[self.first], values[self.second])
        return lesser


def read_pairs(file: Path) -> list[Listed]:
    """Read a CSV file: two photos and same or different a line; a first line of names may be there.

    Paths are relative to the file's own folder.

    Raises:
        ConfigError: It cannot be read, a line is wrong, photos are absent (each is named), or all
            pairs are of one kind.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as text:
            lines = [(number, row) for number, row in enumerate(csv.reader(text), 1) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as err:
        raise ConfigError(f"{file} cannot be read: {err}") from err
    if lines and _is_header(lines[0][1], file.parent):
        lines = lines[1:]
    listed = [_listed(file, number, row) for number, row in lines]
    absent = sorted({str(p) for each in listed for p in (each.first, each.second) if _absent(p)})
    if absent:
        more = f" and {len(absent) - _NAMED_AT_MOST} more" if len(absent) > _NAMED_AT_MOST else ""
        named = "\n  ".join(absent[:_NAMED_AT_MOST])
        raise ConfigError(f"{file} names {len(absent)} photos that are not there:\n  {named}{more}")
    if len({each.same for each in listed}) < 2:
        raise ConfigError(f"{file} must list pairs of the same person and of different ones")
    return listed


def score_listed(faces: Sequence[Face], listed: Sequence[Listed]) -> Scores:
    """Compare the pairs whose photos both have a face."""
    place = {face.photo: i for i, face in enumerate(faces)}
    usable = [p for p in listed if str(p.first) in place and str(p.second) in place]
    first = np.array([place[str(pair.first)] for pair in usable], np.intp)
    second = np.array([place[str(pair.second)] for pair in usable], np.intp)
    rows = np.stack([face.embedding for face in faces]).astype(np.float64)
    return Scores(
        faces=faces,
        first=first,
        second=second,
        same=np.array([pair.same for pair in usable], bool),
        distances=np.sqrt(((rows[first] - rows[second]) ** 2).sum(axis=1)),
    )


def score_all(faces: Sequence[Face], people: Sequence[str]) -> Scores:
    """Compare every face with every other; *people* says whose each is."""
    first, second = np.triu_indices(len(faces), 1)
    rows = np.stack([face.embedding for face in faces])
    names = np.unique(np.array(people), return_inverse=True)[1]
    return Scores(
        faces=faces,
        first=first,
        second=second,
        same=names[first] == names[second],
        distances=distances_between(rows, rows)[first, second],
    )


def write_scores(scores: Scores, file: Path) -> None:
    """Write a line a pair: both photos, what they truly are, the distance."""
    with file.open("w", newline="", encoding="utf-8") as text:
        writer = csv.writer(text)
        writer.writerow(("first", "second", "truth", "distance"))
        for i, j, same, distance in zip(
            scores.first, scores.second, scores.same, scores.distances, strict=True
        ):
            truth = "same" if same else "different"
            names = scores.faces[i].photo, scores.faces[j].photo
            writer.writerow((*names, truth, f"{distance:.6f}"))


def _listed(file: Path, number: int, row: list[str]) -> Listed:
    same = _label(row[2]) if len(row) == 3 else None
    if same is None:
        raise ConfigError(
            f"{file}, line {number}: write two photos and same or different, such as "
            f"ada/1.jpg,ada/2.jpg,same; found {','.join(row)[:80]!r}"
        )
    first, second = (file.parent / name.strip() for name in row[:2])
    return Listed(first=first, second=second, same=same)


def _is_header(row: list[str], folder: Path) -> bool:
    """Tell names of columns from photos: `a,b,same` or `first,second,label` are no pair."""
    names = [name.strip() for name in row[:2]]
    return len(row) == 3 and all(
        name[:1].isalpha() and not Path(name).suffix and "/" not in name and _absent(folder / name)
        for name in names
    )


def _label(text: str) -> bool | None:
    word = text.strip().lower()
    return True if word in _SAME else False if word in _DIFFERENT else None


def _absent(path: Path) -> bool:
    return not path.is_file()
