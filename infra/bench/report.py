"""What `bench engine` measured, as tables: on the screen, and in docs/benchmarks.md."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from infra.bench.engine import MOST_MB, REFERENCE, Figure, Results

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]  # columns, rows

_START, _END = "<!-- bench engine -->", "<!-- end of bench engine -->"


def tables(results: Results) -> list[Table]:
    """Ratios first, then memory, then the share of the machine's arithmetic."""
    return [_speed(results.figures), _memory(results.resident_mb), _arithmetic(results)]


def write_markdown(path: Path, results: Results, command: str) -> None:
    """Put the tables into *path*, in place of those of the last run; the rest of it stays."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        text = f"# Benchmarks\n\n{_START}\n{_END}\n"
    if _START not in text:
        text = f"{text.rstrip()}\n\n{_START}\n{_END}\n"
    before, _, rest = text.partition(_START)
    after = rest.partition(_END)[2]
    path.write_text(f"{before}{_START}\n{markdown(results, command)}{_END}{after}")


def markdown(results: Results, command: str) -> str:
    """Write the section: machine, versions, command, tables."""
    lines = ["## Detector and engines", "", f"`{command}`, {machine()}.", ""]
    for side, versions in results.versions.items():
        name = "Reference" if side == REFERENCE else "Ours"
        said = ", ".join(f"{package} {version}" for package, version in versions.items())
        lines.append(f"{name}: {said}.")
    said = (
        f"Frames: {results.pictures}. One thread each, in {results.turns} turns; times are of the"
        " processor, for one picture, from the file's bytes to the embeddings where nothing else"
        " is said; a ratio is the median over the turns. Ours looks for faces from 40 px, the"
        " reference from 20, as each does unless told otherwise."
    )
    lines += ["", said, *(f"Note: {note}." for note in results.notes)]
    for columns, rows in tables(results):
        lines += ["", _line(columns), _line(["---"] * len(columns)), *map(_line, rows)]
    return "\n".join(lines) + "\n"


def machine() -> str:
    """Processor, cores, system and day."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    day = datetime.now(UTC).date()
    python = platform.python_version()
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {python}, {day}"


def _speed(figures: Sequence[Figure]) -> Table:
    columns = ("a core, 1280×720", "÷ reference", "to reach", "ours", "reference", "faces found")
    rows: list[tuple[str, ...]] = []
    for each in figures:
        target = "" if each.row.ratio is None else f"≥ {each.row.ratio:g}"
        if each.row.most_ms is not None:
            target = f"≤ {each.row.most_ms:g} ms"
        verdict = {True: " ✓", False: " — short", None: ""}[each.reached]
        faces = f"{each.ours_faces:.1f}"
        if each.reference_faces is not None:
            faces += f" / {each.reference_faces:.1f}"
        rows.append(
            (
                each.row.name,
                "" if each.ratio is None else f"{each.ratio:.1f}",
                target + verdict,
                _time(each.ours_ms),
                "" if each.reference_ms is None else _time(each.reference_ms),
                "" if each.row.task in ("decode", "embed") else faces,
            )
        )
    return columns, rows


def _time(milliseconds: float) -> str:
    return f"{milliseconds:.1f} ms ({1e3 / milliseconds:.1f}/s)"


def _memory(resident_mb: dict[str, float]) -> Table:
    rows: list[tuple[str, ...]] = []
    for name, size in resident_mb.items():
        most = MOST_MB.get(name)
        verdict = "" if most is None else f"≤ {most} MB" + (" ✓" if size <= most else " — short")
        rows.append((name, f"{size:.0f} MB", verdict))
    return ("process, after frames of one and of six faces", "resident", "to reach"), rows


def _arithmetic(results: Results) -> Table:
    columns = ("network", "GFLOP", "GFLOP/s", "share of the matrix product's", "ms")
    return columns, [
        (
            each["name"],
            f"{each['gflop']:.3f}",
            f"{each['gflops']:.1f}",
            f"{each['share']:.0%}",
            f"{each['ms']:.2f}",
        )
        for each in results.stages
    ]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
