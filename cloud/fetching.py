"""The file of a frame, as its reference says."""

import hashlib
from collections.abc import Callable
from typing import Protocol

from sightline.errors import ImageError, MissingError
from sightline.messages import FrameCaptured, RejectedReason

# S3 is strongly consistent, and a device stores a frame before it sends the reference, so a missing
# object is hardly ever late. Lambda's own retries would wait for minutes, and the answer with them.
MISSING_RETRIES_S = (0.2, 0.5)


class FrameStore(Protocol):
    """Where frames lie, and photos; `cloud.s3.S3Frames`, and `cloud.memory.MemoryFrames`."""

    def get(self, key: str) -> bytes:
        """Read a frame's file.

        Raises:
            MissingError: There is no such object.
            ImageError: It is larger than any frame should be.
            TransportError: The store did not answer.
        """
        ...


class RejectedError(Exception):
    """A frame cannot be served, and no retry would mend it; it is answered with that."""

    def __init__(self, reason: RejectedReason, detail: str):
        super().__init__(detail)
        self.reason: RejectedReason = reason


class Fetching:
    """Fetches frames, and sees that they are what their references say."""

    def __init__(self, frames: FrameStore, *, sleep: Callable[[float], None]) -> None:
        self._frames = frames
        self._sleep = sleep

    def fetch(self, captured: FrameCaptured) -> bytes:
        """Read the file of *captured*.

        Raises:
            RejectedError: It is not there, too large, or another.
            TransportError: The store did not answer; try again.
        """
        try:
            data = self._get(captured.key)
        except ImageError as err:
            raise RejectedError(err.reason, str(err)) from err
        if captured.sha256 and hashlib.sha256(data).hexdigest() != captured.sha256.lower():
            raise RejectedError(
                "bad_field", f"sha256: the object's is not the reference's ({len(data)} bytes)"
            )
        return data

    def _get(self, key: str) -> bytes:
        for delay_s in MISSING_RETRIES_S:
            try:
                return self._frames.get(key)
            except MissingError:
                self._sleep(delay_s)
        try:
            return self._frames.get(key)
        except MissingError as err:
            raise RejectedError(
                "no_such_object", f"there is no object {key!r}; store the frame first"
            ) from err
