"""A file with a line of JSON for each result, for programs to read."""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from device.answers.lines import machine_line
from device.answers.results import Outcome
from device.journal import Summary
from sightline.errors import ConfigError

log = logging.getLogger(__name__)


class Report:
    """Writes each result as it comes, and the summary as the last line."""

    def __init__(self, path: Path) -> None:
        """Begin *path* anew.

        Raises:
            ConfigError: It cannot be written.
        """
        self._path = path
        try:
            self._file = path.open("w", encoding="utf-8")
        except OSError as err:
            raise ConfigError(f"--report {path}: cannot be written: {err.strerror or err}") from err
        self._works = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._try(self._file.close)

    def result(self, outcome: Outcome) -> None:
        """Write one result."""
        self._write(machine_line(outcome))

    def summary(self, summary: Summary) -> None:
        """Write the summary."""
        self._write(summary_line(summary))

    def _write(self, line: str) -> None:
        def write() -> None:
            self._file.write(line + "\n")
            self._file.flush()  # whoever follows the file sees whole lines at once

        if self._works:
            self._try(write)

    def _try(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as err:  # recognition goes on without it
            if self._works:
                log.warning("the report ends here: %s: %s", self._path, err.strerror or err)
            self._works = False


def summary_line(summary: Summary) -> str:
    """Write a summary as one line of JSON."""
    return json.dumps({"kind": "summary", **asdict(summary)}, ensure_ascii=False)
