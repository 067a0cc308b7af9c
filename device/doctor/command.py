"""`python -m device --doctor`."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from device.answers.output import Output
from device.cameras.camera import Camera
from device.doctor.examine import Options, examine
from device.doctor.finding import Finding
from device.settings import CameraSettings


def doctor(
    config: Path,
    camera: str | None,
    camera_of: Callable[[CameraSettings], Camera],
    *,
    as_json: bool,
) -> int:
    """Examine a device and print the findings; return the exit status: 0, or 1 for a fault."""
    out = Output(sys.stdout, "standard output")

    def show(finding: Finding) -> None:
        if not as_json:
            out.write(finding.line())

    found = examine(config, Options(camera=camera, camera_of=camera_of), show)
    out.write(json.dumps(found.as_json(), ensure_ascii=False) if as_json else found.summary())
    return 0 if found.sound else 1
