"""The environment of what we are measured against: facenet-pytorch on its own torch, and dlib."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from sightline.errors import ConfigError

PINS = (
    "facenet-pytorch==2.6.0",
    "torch==2.2.2",
    "torchvision==0.17.2",
    "numpy==1.26.4",
    "pillow==10.2.0",
    "dlib-bin==20.0.1",
    "face_recognition_models==0.3.0",
)
GIGABYTES = 5  # of which CUDA's libraries, which PyPI's torch brings along, are three

_NEWEST = (3, 12)  # torch 2.2.2 has no build for a later Python
_SPARE_GIGABYTES = 3  # while pip unpacks
_STAMP = ".installed"


def find_reference(folder: Path) -> Path | None:
    """Return the interpreter of the environment in *folder*; None if it is not made, or of old."""
    try:
        if (folder / _STAMP).read_text().split() == list(PINS):
            return folder / "bin" / "python"
    except OSError:
        pass
    return None


def make_reference(folder: Path, say: Callable[[str], None]) -> Path:
    """Make the environment, which downloads gigabytes.

    Raises:
        ConfigError: There is no fitting Python, too little disk, or pip failed.
    """
    python = _python()
    folder.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder.parent).free / 1e9
    if free < GIGABYTES + _SPARE_GIGABYTES:
        raise ConfigError(
            f"the reference takes {GIGABYTES} GB, and {_SPARE_GIGABYTES} more to unpack; only"
            f" {free:.1f} GB are free. Make room, or measure with --no-reference"
        )
    _run([python, "-m", "venv", "--clear", str(folder)], say)
    made = folder / "bin" / "python"
    pip = [str(made), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    _run([*pip, "--no-cache-dir", "--progress-bar=off", *PINS], say)
    (folder / _STAMP).write_text("\n".join(PINS) + "\n")
    return made


def _python() -> str:
    if sys.version_info[:2] <= _NEWEST:
        return sys.executable
    for minor in (12, 11, 10):
        if found := shutil.which(f"python3.{minor}"):
            return found
    raise ConfigError(
        "torch 2.2.2 needs Python 3.12 or older: install python3.12, or measure with --no-reference"
    )


def _run(command: list[str], say: Callable[[str], None]) -> None:
    """Run *command*, telling what pip is at."""
    last: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            last = [*last[-3:], line.strip()]
            words = line.split()
            if words[:1] in (["Collecting"], ["Downloading"], ["Installing"]):
                say("  " + " ".join(words[:2]))
    if process.returncode:
        raise ConfigError(
            "the reference could not be installed: "
            + " | ".join(last)
            + ". See that 'pip download six' works, or measure with --no-reference"
        )
