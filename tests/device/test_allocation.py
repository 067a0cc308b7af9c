"""Whether freed frames go back to the system, in a process of its own."""

import subprocess
import sys

import pytest

from tests.conftest import PROJECT

# Blocks as large as JPEGs and frames, in which small ones that stay lie in between.
CHURN = """
import sys
from device import allocation

def anonymous_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1024

if sys.argv[1] == "tight":
    allocation.tighten()
bytearray(30_000_000)  # what glibc learns from that such blocks are worth keeping
before_mb, stay = anonymous_mb(), []
for _ in range(3):
    frames = []
    for _ in range(40):
        frames.append(bytearray(1_400_000))
        stay.append(bytearray(2000))
    del frames
allocation.give_back() if sys.argv[1] == "tight" else None
print(anonymous_mb() - before_mb)
"""


def left_over_mb(how: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", CHURN, how],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return float(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="it is glibc's")
def test_what_is_freed_goes_back_to_the_system_at_once() -> None:
    assert left_over_mb("tight") < 5
    assert left_over_mb("as it is") > 20  # or there is nothing to do any more
