"""A device is killed at 200 random moments. What it promised is kept, and nothing is new twice."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
CYCLES = 200


@pytest.mark.parametrize("seed", [1])
def test_every_frame_that_was_acknowledged_is_answered_or_counted_as_dropped(
    seed: int, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.device.spooling.killing", tmp_path, str(CYCLES), str(seed)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    said = json.loads(done.stdout)

    tried, promised = {*said["try"]}, {*said["put"]}
    assert len(said["new"]) == len({*said["new"]})  # none twice as new
    answered = {*said["new"], *said["untold"]}
    assert len(answered) == len(said["new"]) + len(said["untold"])
    assert answered <= {*said["cloud"]} <= {*said["store"]} <= tried
    # Whatever was promised and not answered is among the dropped; whatever was neither answered
    # nor dropped was being put at the moment of a kill, and there is at most one such a life.
    assert len(promised - answered) <= said["dropped"]
    never = len(tried) - len(answered) - said["dropped"]
    assert 0 <= never <= len(tried - promised) <= CYCLES
    # It did come to all of that.
    assert len(promised) > CYCLES
    assert said["dropped"] > 0
    assert len(said["store"]) > len({*said["store"]})  # killed after an upload, before its mark
