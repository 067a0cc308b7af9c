"""Intervals go by the clock that nobody sets: a Pi's time of day leaps by years."""

import ast
from pathlib import Path

import pytest

import device

MODULES = sorted(Path(device.__file__).parent.rglob("*.py"))
# What tells the time of day; all but `device.clock` are given `utc_now`, as a parameter.
TIME_OF_DAY = {"time", "time_ns", "localtime", "gmtime", "now", "utcnow", "today", "ctime"}
MODULES_OF_TIME = {"time", "datetime", "date"}


def readings(source: str) -> list[str]:
    """Name each place where a module asks for the time of day by itself."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in TIME_OF_DAY:
            whose = node.value.attr if isinstance(node.value, ast.Attribute) else node.value
            name = whose.id if isinstance(whose, ast.Name) else whose
            if name in MODULES_OF_TIME:
                found.append(f"line {node.lineno}: {name}.{node.attr}")
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            found += [f"line {node.lineno}: {each.name}" for each in node.names]
    return found


@pytest.mark.parametrize(
    "source",
    [
        "import time; time.time()",
        "import datetime; datetime.datetime.now()",
        "from datetime import datetime; datetime.now()",
        "from time import time",
    ],
)
def test_a_reading_of_the_time_of_day_is_found(source: str) -> None:
    assert readings(source)


def test_no_part_of_the_agent_measures_an_interval_by_the_time_of_day() -> None:
    found = {path.name: readings(path.read_text(encoding="utf-8")) for path in MODULES}

    assert len(MODULES) > 50
    assert [name for name, places in found.items() if places] == ["clock.py"]
