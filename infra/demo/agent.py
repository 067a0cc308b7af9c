"""The agent in a process of its own, with a clip for a camera."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

from infra.packaging import PROJECT


def start_agent(
    settings: Path, clip: Path, report: Path, *options: str, log: IO[bytes], quiet: bool = False
) -> "subprocess.Popen[bytes]":
    """Run `python -m device`; its log goes to *log*, and its results too if *quiet*."""
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "device",
            *("--config", str(settings)),
            *("--camera", str(clip), "--report", str(report)),
            *options,
        ],
        env={
            **os.environ,
            "PYTHONPATH": str(PROJECT),
            "XDG_STATE_HOME": str(settings.parent.absolute() / "state"),  # its spool goes with it
        },
        stdout=log if quiet else None,
        stderr=log,
    )


def wait(agent: "subprocess.Popen[bytes]") -> int:
    """Wait for the agent's exit status; on Ctrl-C see to it that it ends before we do."""
    try:
        return agent.wait()
    except BaseException:
        agent.send_signal(signal.SIGTERM)
        agent.wait(20)
        raise
