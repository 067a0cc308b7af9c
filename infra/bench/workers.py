"""The two sides of `bench engine`: processes that are asked, in turn, to work for a while.

Each has one thread for its arithmetic, and only one works at a time. What counts is the processor
time it took, which is what "a core" means, and which neighbours on the machine disturb least.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sightline.errors import ConfigError

PROJECT = Path(__file__).parents[2]

_ARITHMETIC = ("MKL", "NUMEXPR", "OMP", "OPENBLAS")
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in _ARITHMETIC}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What one pass over a task's pictures took, on average over a while."""

    cpu_s: float
    wall_s: float
    faces: float
    passes: int


class Worker:
    """A process that runs tasks when asked to."""

    def __init__(self, name: str, command: Sequence[str], request: Mapping[str, Any]) -> None:
        """Start *command*, and have it load what *request* says.

        Raises:
            ConfigError: It did not come up.
        """
        self.name = name
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=PROJECT,
            env={**os.environ, **ONE_THREAD, "PYTHONWARNINGS": "ignore"},
        )
        try:
            loaded = self._ask(do="load", **request)
        except ConfigError:
            self.stop()
            raise
        self.tasks: list[str] = loaded["tasks"]

    @classmethod
    def ours(cls, engine: str, pictures: Path, engines: Path) -> Self:
        """Start ours, with that *engine* out of the folder *engines*."""
        request = {"folder": str(pictures), "engine": engine, "engines": str(engines)}
        return cls(engine, [sys.executable, "-m", "infra.bench.our_worker"], request)

    @classmethod
    def reference(cls, python: Path, pictures: Path) -> Self:
        """Start the reference by its own *python*."""
        return cls(
            "reference",
            [str(python), "-m", "infra.bench.reference_worker"],
            {"folder": str(pictures)},
        )

    def run(self, task: str, seconds: float) -> Window:
        """Have it work on *task* for *seconds* of processor time, one pass at least."""
        return Window(**self._ask(do="run", task=task, seconds=seconds))

    def resident_mb(self) -> float:
        """How much memory it holds."""
        return float(self._ask(do="memory")["resident_mb"])

    def versions(self) -> dict[str, str]:
        """Of the packages it uses."""
        return self._ask(do="versions")

    def weights(self) -> Path:
        """The reference's alone: write its embedder's weights, and say where."""
        return Path(self._ask(do="weights")["path"])

    def stages(self, seconds: float) -> list[dict[str, Any]]:
        """Ours alone: what each network takes, with the arithmetic in it."""
        stages: list[dict[str, Any]] = self._ask(do="stages", seconds=seconds)["stages"]
        return stages

    def _ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None  # noqa: S101 - a pipe
        assert self._process.stdout is not None  # noqa: S101 - a pipe
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        except (OSError, ValueError) as err:
            raise ConfigError(
                f"the process that measures {self.name} ended while asked to {request['do']};"
                " what it said is above"
            ) from err
        return answer

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait(10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was never read
                    pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
