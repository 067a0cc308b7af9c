"""The benchmark of the image: what it makes of its figures."""

from pathlib import Path

from infra.bench import image as bench
from infra.bench.image import Results, Size, Start
from infra.imaging.layout import CODE, ENGINE, PACKAGES, Layout


def start(answered_ms: float, processor_ms: float) -> Start:
    return Start(ready_ms=answered_ms - 50, answered_ms=answered_ms, processor_ms=processor_ms)


def test_the_best_start_counts_and_the_median_is_told() -> None:
    size = Size(part="packages", installed=300_000_000, compressed=100_000_000)
    more = Size(part="engine", installed=22_000_000, compressed=20_000_000)
    starts = [start(600, 500), start(1400, 480), start(900, 520)]
    results = Results(sizes={"arm64": [size, more]}, starts=starts)

    assert bench.bounds(results) == [
        ("installed, arm64", 322.0, 400, "MB"),
        ("first frame answered, best", 600, 1000, "ms"),
        ("  until it asked for one", 550, None, "ms"),
        ("  processor time", 480, None, "ms"),
        ("  median", 900, None, "ms"),
    ]
    assert bench.as_rows(results)[1] == ("arm64", "engine", "22.0", "20.0")


def test_parts_are_weighed_as_they_are_and_compressed(tmp_path: Path) -> None:
    layout = Layout(root=tmp_path, engine="dlib", architecture="arm64")
    for at, content in ((PACKAGES, b"a" * 100_000), (ENGINE, b"b"), (CODE, b"")):
        layout.place(at).mkdir(parents=True)
        (layout.place(at) / "file").write_bytes(content)

    packages, engine, code = bench.sizes(layout)

    assert (packages.part, engine.part, code.part) == ("packages", "engine", "code")
    assert (packages.installed, engine.installed, code.installed) == (100_000, 1, 0)
    assert 0 < packages.compressed < 1000
