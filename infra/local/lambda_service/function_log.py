"""A function's log: what its workers write, in a file that does not grow for ever."""

import logging
import os
import threading
from pathlib import Path
from typing import IO, BinaryIO

from sightline.errors import ConfigError

_log = logging.getLogger(__name__)
MAX_LINE_BYTES = 64 * 1024

# How a line begins that CloudWatch would make metrics of (cloud/metrics.py).
METRICS = b'{"_aws":'


class FunctionLog:
    """`<folder>/<name>.log` and the one before it; safe for threads, readable by its owner alone.

    It takes what the function prints and our own lines about invocations, never a payload. Metrics,
    a line a frame that no person reads, go to `<folder>/<name>.metrics.log` beside it.
    """

    def __init__(self, folder: Path, name: str, *, max_bytes: int = 5_000_000) -> None:
        """Open the log, appending.

        Raises:
            ConfigError: The folder cannot be written.
        """
        self.path = folder / f"{name}.log"
        self.metrics_path = folder / f"{name}.metrics.log"
        self._file = _Rotating(self.path, max_bytes)
        try:
            self._metrics = _Rotating(self.metrics_path, max_bytes)
        except BaseException:
            self._file.close()
            raise

    def write(self, line: bytes) -> None:
        """Append one *line*; a full disk costs lines, never an invocation."""
        self._file.write(line)

    def copy(self, stream: IO[bytes]) -> None:
        """Write each line of *stream* until it ends."""
        while line := stream.readline(MAX_LINE_BYTES):
            (self._metrics if line.startswith(METRICS) else self._file).write(line)

    def close(self) -> None:
        """Take no more lines."""
        self._file.close()
        self._metrics.close()


class _Rotating:
    """A file that is put aside when it is full, in place of the one that was before."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._lost_lines = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = self._open()
        except OSError as err:
            raise ConfigError(
                f"the log {path} cannot be written ({err.strerror}): mend the folder's rights"
                " or make room"
            ) from err
        self._bytes = path.stat().st_size

    def write(self, line: bytes) -> None:
        line = line.rstrip(b"\r\n")[:MAX_LINE_BYTES] + b"\n"
        with self._lock:
            if self._file.closed:
                return
            try:
                if self._bytes + len(line) > self._max_bytes and self._bytes > 0:
                    self._rotate()
                self._file.write(line)
                self._bytes += len(line)
                self._lost_lines = 0
            except OSError as err:
                if self._lost_lines == 0:
                    _log.warning("%s takes no more lines: %s", self._path, err.strerror)
                self._lost_lines += 1

    def close(self) -> None:
        with self._lock:
            self._file.close()

    def _open(self) -> BinaryIO:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        return open(descriptor, "ab", buffering=0)  # noqa: PTH123 - a descriptor has no path

    def _rotate(self) -> None:
        self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        full, self._file = self._file, self._open()
        full.close()
        self._bytes = 0
