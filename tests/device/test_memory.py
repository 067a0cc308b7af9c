"""What an agent takes of a Pi's memory, with all that it loads, in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]

# The modules of the agent, botocore's tables, the gate, and frames as a camera gives them.
AGENT = """
import json, sys
from pathlib import Path
import cv2, numpy
import device.__main__
from device import jpeg
from device.gate.building import face_finder
from device.gate.gate import Gate
from device.gate.settings import GateSettings
from device.network.s3_frame_store import S3FrameStore
from device.settings import CameraSettings, StorageSettings

cv2.setNumThreads(1)
storage = StorageSettings(
    region="us-east-1", bucket="media", credentials_endpoint="127.0.0.1:1", role_alias="alias"
)
keys = {"access_key": "k", "secret_key": "s", "token": "t", "expiry_time": "2099-01-01T00:00:00Z"}
S3FrameStore(storage, lambda: keys).prepare()
gate = GateSettings()
finder = face_finder(gate, CameraSettings(source="usb:0")) if sys.argv[1] == "faces" else None
judge, random, checked = Gate(gate, finder), numpy.random.default_rng(0), 0
room = random.integers(0, 255, (720, 1280, 3), dtype=numpy.uint8)
for number in range(20):
    frame = cv2.GaussianBlur(numpy.roll(room, 40 * number, axis=1), (31, 31), 0)
    checked += judge.see(frame, 10.0 * number).faces is not None
    jpeg.encode(frame, 85)
status = Path("/proc/self/status").read_text().splitlines()
peak_kb = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(json.dumps({"checked": checked, "peak_mb": peak_kb / 1024}))
"""


@pytest.mark.parametrize(("mode", "most_mb"), [("motion", 150), ("faces", 250)])
def test_it_takes_no_more_than_a_small_pi_has(mode: str, most_mb: float) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AGENT, mode],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)

    assert (said["checked"] > 5) == (mode == "faces")
    assert said["peak_mb"] <= most_mb
