"""The gallery's benchmark measures ways that all find the same."""

from infra.bench.gallery import COLUMNS, as_rows, measure
from infra.bench.gallery_ways import NUMPY, OURS


def test_every_exact_way_finds_the_right_two_people() -> None:
    figures = {figure.way: figure for figure in measure(600, 16)}

    assert {NUMPY, "plain gallery", OURS} <= set(figures)
    assert all(f.recall == 1 for way, f in figures.items() if way != "usearch graph")
    assert figures[OURS].file_mb > 0
    assert all(f.known_ms > 0 and f.stranger_ms > 0 for f in figures.values())
    assert {len(row) for row in as_rows(list(figures.values()))} == {len(COLUMNS)}
