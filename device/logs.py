"""How the agent logs: lines for a terminal, or for journald, which adds the time itself."""

import logging
import os
from collections.abc import Mapping

import cv2

# What journald takes as the priority of a line. Source: sd-daemon(3).
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}
_CRITICAL = 2


class JournalFormatter(logging.Formatter):
    """Begins each line with its priority; a traceback's as well, or they would be `info`."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        priority = _PRIORITIES.get(record.levelno, _CRITICAL)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


def configure(environment: Mapping[str, str], *, verbose: bool) -> None:
    """Log to standard error."""
    handler = logging.StreamHandler()
    if "JOURNAL_STREAM" in environment:
        handler.setFormatter(JournalFormatter("%(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler])
    # These log whole requests, with their tokens, at DEBUG, and tracebacks at WARNING.
    logging.getLogger("botocore").setLevel(logging.ERROR)
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    if not verbose:  # what OpenCV and FFmpeg print says less than our own errors
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
