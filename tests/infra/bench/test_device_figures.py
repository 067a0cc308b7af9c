"""The table of `bench device`, and that the spool's part of it measures."""

from pathlib import Path

import pytest

from infra.bench.device import PARTS, as_rows, reached
from infra.bench.gate import Figure
from infra.bench.spool import WRITTEN, measure
from tests.infra.bench.disks import in_memory


def test_all_parts_stand_in_one_table_and_one_over_its_bound_fails_it() -> None:
    good = Figure(what="put", value=0.8, unit="ms", most=2.0)
    bad = Figure(what="missed", value=0.05, unit="%", most=0.01)

    assert as_rows({"spool": [good], "gate": [bad]}) == [
        ("spool", "put", "0.8 ms", "≤ 2 ms", ""),
        ("gate", "missed", "5 %", "≤ 1 %  MISSED", ""),
    ]
    assert (reached({"spool": [good]}), reached({"spool": [good], "gate": [bad]})) == (True, False)
    assert {*PARTS} == {"spool", "gate", "instructions", "recording", "agent"}


def test_the_spool_is_measured_whole(tmp_path: Path) -> None:
    if in_memory(tmp_path):
        pytest.skip(f"{tmp_path} is in memory, where nothing is written to a disk")
    found = {each.what: each for each in measure(tmp_path, 100)}

    assert len(found) == 8
    assert found["put, median of 100"].value > 0
    # A frame is written once, at least, and flushed: less would mean that nobody counted.
    for what in ("is put", "is sent at once", "waits, and is sent later"):
        assert 0.9 <= found[f"written for a frame that {what}"].value <= WRITTEN + 0.1
    assert found["written for a frame of 20 KB that is sent at once"].value >= 0.9
