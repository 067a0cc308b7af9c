"""One agent as its user starts it, in a process of its own, and what it takes of the machine."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import cv2

from infra.fleet.small_ground import SmallGround
from infra.gating.scenes import Visit, scene
from infra.packaging import PROJECT
from sightline.errors import ConfigError, TransportError

THING = "alone"
WIDTH, HEIGHT, FPS = 1280, 720, 10.0

_STOP_S = 30.0
_RECORDING = """
[recording]
enabled = true
segment_s = 1.0
duration_s = 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What it is to do.

    Attributes:
        clip: Its camera, played again and again.
        gate: `off`, `motion` or `faces`.
        interval_s: Between two frames that are sent, at least.
        recording: Record the camera as well, by software.
    """

    clip: Path
    gate: str = "motion"
    interval_s: float = 0.5
    recording: bool = False


class LoneAgent:
    """Runs from `__enter__` to `__exit__`, on a small ground, with a log of its results."""

    def __init__(self, task: Task, ground: SmallGround, folder: Path) -> None:
        """Prepare; all that it writes goes below *folder*."""
        self._folder = folder
        self._camera = task.clip
        self._settings = ground.provision(THING)
        self._settings.write_text(_as_wanted(self._settings.read_text(), task))
        self._log: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._log = (self._folder / "agent.log").open("wb")
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "device", "--config", str(self._settings)),
                *("--camera", str(self._camera), "--loop"),
            ],
            cwd=self._folder,
            env=os.environ
            | {
                "PYTHONPATH": str(PROJECT),
                "PYTHONDONTWRITEBYTECODE": "1",  # an install's is there, and is no wear of its own
                "STATE_DIRECTORY": str(self._folder / "state"),
            },
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        assert self._process is not None  # noqa: S101
        assert self._log is not None  # noqa: S101
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    @property
    def recorded(self) -> tuple[Path, ...]:
        """The segments that are finished."""
        return tuple((self._folder / "state" / "segments").rglob("*.mp4"))

    @property
    def logged(self) -> int:
        """Count the results in its log."""
        path = self._folder / "results.jsonl"
        return len(path.read_bytes().splitlines()) if path.exists() else 0

    def said(self) -> str:
        """What it printed and logged."""
        return (self._folder / "agent.log").read_text(errors="replace")

    def await_logged(self, results: int, timeout_s: float) -> None:
        """Wait until so many results are in its log.

        Raises:
            TransportError: They are not in time, or it has ended; the text has its last words.
        """
        self._await(f"{results} results", lambda: self.logged >= results, timeout_s)

    def await_recorded(self, segments: int, timeout_s: float) -> None:
        """Wait until it has recorded so many segments.

        Raises:
            TransportError: See `await_logged`.
        """
        self._await(f"{segments} segments", lambda: len(self.recorded) >= segments, timeout_s)

    def _await(self, what: str, holds: Callable[[], bool], timeout_s: float) -> None:
        assert self._process is not None  # noqa: S101
        until_s = time.monotonic() + timeout_s
        while not holds():
            if self._process.poll() is not None or time.monotonic() > until_s:
                last = "; ".join(self.said().splitlines()[-3:])
                raise TransportError(f"the agent came to no {what}: {last}")
            time.sleep(0.05)

    def peak_mb(self) -> float:
        """The most memory it ever had, in MB of 2²⁰ bytes."""
        return int(self._of("status", "VmHWM:")) / 1024

    def written_bytes(self) -> int:
        """What it had the disk written, by the kernel's count of pages made dirty."""
        return int(self._of("io", "write_bytes:"))

    def _of(self, file: str, field: str) -> str:
        assert self._process is not None  # noqa: S101
        try:
            lines = Path(f"/proc/{self._process.pid}/{file}").read_text().splitlines()
        except OSError as err:
            raise ConfigError(f"this system does not tell of a process's {field}: {err}") from err
        return next(line.split()[1] for line in lines if line.startswith(field))


def make_clip(path: Path, *, seconds: float = 12.0) -> None:
    """Film somebody who walks in, stands and leaves, at 1280×720.

    Raises:
        ConfigError: OpenCV cannot write there.
    """
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (WIDTH, HEIGHT))
    if not writer.isOpened():
        raise ConfigError(f"the clip cannot be written to {path}: is the folder there, not full?")
    try:
        visit = Visit(from_s=1, stands_s=seconds - 6, walks_s=2)
        for each in scene(seconds, visit=visit, fps=FPS):
            writer.write(cv2.resize(each.image, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR))
    finally:
        writer.release()


def _as_wanted(settings: str, task: Task) -> str:
    changed = (
        settings.replace('mode = "auto"', f'mode = "{task.gate}"')
        .replace("interval_s = 0.5", f"interval_s = {task.interval_s}")
        .replace("hook = []", 'log = "../../results.jsonl"')
    )
    return changed + (_RECORDING if task.recording else "")
