"""Python environments beside our own, for what is too large or too old to live in it."""

import hashlib
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sightline.errors import ConfigError

Say = Callable[[str], None]

_STAMP = ".installed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One environment: where it lies and what is in it."""

    folder: Path
    requirements: Path  # a file of pins
    bare: Sequence[str] = ()  # pins installed without what they ask for
    size: str  # to warn of, such as "1 GB"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def is_complete(self) -> bool:
        """Whether it is there, with these pins."""
        try:
            return (self.folder / _STAMP).read_text() == self._digest()
        except OSError:
            return False

    def make(self, say: Say) -> Path:
        """Make it, unless it is there; return its interpreter.

        Raises:
            ConfigError: It cannot be made; the text ends with what pip said last.
        """
        if self.is_complete:
            return self.python
        say(f"set-up: {self.folder.name}, {self.size}, once …")
        if not self.python.exists():
            self._run([sys.executable, "-m", "venv", "--clear", str(self.folder)], say)
        pip = [str(self.python), "-m", "pip", "install", "--disable-pip-version-check"]
        self._run([*pip, "--no-input", "-r", str(self.requirements)], say)
        if self.bare:
            self._run([*pip, "--no-input", "--no-deps", *self.bare], say)
        (self.folder / _STAMP).write_text(self._digest())
        return self.python

    def _run(self, command: Sequence[str], say: Say) -> None:
        last: deque[str] = deque(maxlen=3)
        try:
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            ) as process:
                assert process.stdout is not None  # noqa: S101 - it is a pipe
                for line in process.stdout:
                    words = line.split()
                    if words[:1] in (["Collecting"], ["Downloading"]):
                        say(f"  {' '.join(words[:2])}")
                    elif words[:1] == ["Installing"]:
                        say("  installing")
                    elif words and not line.startswith("WARNING"):
                        last.append(line.strip())
        except OSError as err:
            raise ConfigError(f"cannot run {command[0]}: {err.strerror}") from err
        if process.returncode != 0:
            raise ConfigError(
                f"{self.folder} could not be set up: {' '.join(last)[-400:]}. See that"
                " 'pip download six' works and the disk has room, then the same again."
            )

    def _digest(self) -> str:
        content = self.requirements.read_bytes() + repr(tuple(self.bare)).encode()
        return hashlib.sha256(content).hexdigest()
