"""Standard output and standard error, whose reader may go away before we do."""

import contextlib
import logging
import os
from typing import TextIO

log = logging.getLogger(__name__)


class Output:
    """Writes lines to a stream until that fails; then says so once, and writes no more.

    Recognition goes on: `| head -1` is no reason for a door to be watched no longer, and a hook,
    a report and the cloud still hear of each result.
    """

    def __init__(self, stream: TextIO, name: str) -> None:
        """Write to *stream*, called *name* where it fails."""
        self._stream = stream
        self._name = name
        self._works = True

    def write(self, *lines: str) -> None:
        """Write *lines*, at once."""
        if not self._works:
            return
        try:
            for line in lines:
                print(line, file=self._stream, flush=True)
        except OSError as err:
            self._works = False
            self._discard()
            log.warning(
                "%s: %s; nothing more is printed there, and recognition goes on (Ctrl-C ends it)",
                self._name,
                "nobody reads it any more"
                if isinstance(err, BrokenPipeError)
                else err.strerror or err,
            )

    def _discard(self) -> None:
        """Lead what is still in the buffer nowhere: Python writes it once more at its end."""
        # Source: Python's documentation, signal, "Note on SIGPIPE".
        with contextlib.suppress(OSError):  # a stream without a descriptor has no such trouble
            target = self._stream.fileno()
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, target)
            os.close(nowhere)
