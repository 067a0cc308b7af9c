"""A gallery's file gives the gallery that was written, or is refused."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.errors import ModelError
from sightline.faces.gallery_file import GalleryFileError, open_gallery, write_gallery
from sightline.faces.gallery_index import GalleryIndex
from sightline.faces.gallery_part import BLOCK, COARSE_FROM

ROWS = np.random.default_rng(3).normal(size=(BLOCK + 900, 4)).astype(np.float32)


def gallery(people: int) -> GalleryIndex:
    """Two rows each."""
    return GalleryIndex.of(
        ((f"person-{i}", f"{i} at noon", ROWS[2 * i : 2 * i + 2]) for i in range(people)),
        version=7,
        engine="toy@1",
        dimension=4,
    )


def opened(path: Path) -> GalleryIndex:
    return open_gallery(path, engine="toy@1", dimension=4)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("small") / "gallery"
    write_gallery(gallery(5), path)
    return path.read_bytes()


@pytest.mark.parametrize("people", [0, 1, 5, COARSE_FROM // 2, BLOCK // 2, len(ROWS) // 2])
def test_what_is_written_is_read(people: int, tmp_path: Path) -> None:
    written = gallery(people)
    write_gallery(written, tmp_path / "gallery")

    read = opened(tmp_path / "gallery")

    assert (read.version, read.engine, len(read)) == (7, "toy@1", len(written))
    assert read.people == written.people
    assert read.marks == written.marks
    assert np.array_equal(read.base.rows, written.base.rows)
    assert (read.base.coarse is None) == (written.base.coarse is None)
    assert read.nearest(ROWS[:9] + 0.1) == written.nearest(ROWS[:9] + 0.1)


def test_a_changed_gallery_is_written_in_one_piece(tmp_path: Path) -> None:
    path = tmp_path / "gallery"
    write_gallery(gallery(len(ROWS) // 2), path)
    changed = opened(path).changed(
        [("person-3", "", ROWS[:0]), ("person-9", "new", ROWS[:1]), ("eve", "1", ROWS[5:8])],
        version=8,
    )

    write_gallery(changed, path)  # over the very file that it reads

    read = opened(path)
    assert read.people == changed.people
    assert (read.version, len(read), len(read.added)) == (8, len(changed), 0)
    assert not read.gone
    assert read.marks["person-9"] == "new"
    assert read.nearest(ROWS[:9]) == changed.nearest(ROWS[:9])
    assert [each.name for each in tmp_path.iterdir()] == ["gallery"]


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    write_gallery(gallery(1), tmp_path / "gallery")

    assert (tmp_path / "gallery").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("share", [0, 0.0005, 0.3, 0.9, 0.99999])
def test_a_file_cut_short_is_refused(small: bytes, share: float, tmp_path: Path) -> None:
    path = tmp_path / "gallery"
    path.write_bytes(small[: int(len(small) * share)])

    with pytest.raises(GalleryFileError, match=r"cut short|is empty|is no gallery"):
        opened(path)


@settings(max_examples=200)
@given(st.data())
def test_a_flipped_bit_is_refused_or_was_in_no_use(
    small: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(small) - 1) | st.integers(0, 2_000))
    damaged = bytearray(small)
    damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path_factory.mktemp("damaged") / "gallery"
    path.write_bytes(damaged)

    try:
        read = opened(path)
    except GalleryFileError:
        return
    assert small[at] == 0  # between the sections
    assert read.people == gallery(5).people
    assert np.array_equal(read.base.rows, gallery(5).base.rows)


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda tail: b"SLGALLRY" + tail))
def test_a_file_of_anything_else_is_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("other") / "gallery"
    path.write_bytes(data)

    with pytest.raises(ModelError, match=str(path)):
        opened(path)


def with_header(file: bytes, **changes: Any) -> bytes:
    """The same file, with a header that says something else of it."""
    length = int.from_bytes(file[8:12], "little")
    header = json.loads(file[44 : 44 + length]) | changes
    text = json.dumps({key: value for key, value in header.items() if value is not None}).encode()
    head = b"SLGALLRY" + len(text).to_bytes(4, "little") + hashlib.sha256(text).digest() + text
    return head.ljust(4096, b"\0") + file[4096:]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"format": 2}, "has format 2; this program reads 1"),
        ({"rows": 9}, "contradicts its own header"),
        ({"people": 4}, "contradicts its own header"),
        ({"length": 10**9}, "is cut short: [0-9]+ of 1000000000"),
        ({"sections": None}, "is no gallery of ours: KeyError"),
        ({"sections": [7]}, "is no gallery of ours: TypeError"),
        ({"sections": []}, "is no gallery of ours: KeyError"),
    ],
)
def test_a_header_that_is_not_the_files_is_refused(
    small: bytes, changes: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "gallery"
    path.write_bytes(with_header(small, **changes))

    with pytest.raises(GalleryFileError, match=complaint):
        opened(path)


def test_a_header_as_it_was_is_read(small: bytes, tmp_path: Path) -> None:
    path = tmp_path / "gallery"
    path.write_bytes(with_header(small))

    assert opened(path).people == gallery(5).people


def test_an_embedding_that_is_no_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gallery"
    written = gallery(2)
    squares = np.full_like(written.base.squares, np.nan)
    rows = np.full_like(written.base.rows, np.nan)
    damaged = replace(written.base, rows=rows, squares=squares)
    write_gallery(replace(written, base=damaged), path)

    with pytest.raises(GalleryFileError, match="no number"):
        opened(path)


@pytest.mark.parametrize(("engine", "dimension"), [("other@1", 4), ("toy@1", 5)])
def test_another_engines_file_is_refused(
    small: bytes, engine: str, dimension: int, tmp_path: Path
) -> None:
    path = tmp_path / "gallery"
    path.write_bytes(small)

    with pytest.raises(GalleryFileError, match="is of the engine toy@1 with 4"):
        open_gallery(path, engine=engine, dimension=dimension)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GalleryFileError, match="cannot be read: No such file"):
        opened(tmp_path / "gallery")


def test_where_none_can_be_written_is_said_and_what_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "gallery").mkdir()

    with pytest.raises(GalleryFileError, match="cannot be written"):
        write_gallery(gallery(1), tmp_path / "gallery")
    assert [each.name for each in tmp_path.iterdir()] == ["gallery"]
