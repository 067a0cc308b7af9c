import os
import subprocess
import sys

from infra.bench.processes import Watch


def test_memory_and_processor_time_of_processes_are_watched() -> None:
    busy = "sum(range(20_000_000)); input()"
    with (
        subprocess.Popen([sys.executable, "-c", busy], stdin=subprocess.PIPE) as other,
        Watch(lambda: {"other": [other.pid], "us": [os.getpid(), 2**22 + 1]}) as watch,
    ):
        other.communicate(b"\n")

    assert watch.most_processes == {"other": 1, "us": 1}
    assert watch.most_mb["us"] > 5
    assert set(watch.cpu_s) == {"other", "us"}
    assert watch.cpu_s["us"] >= 0
