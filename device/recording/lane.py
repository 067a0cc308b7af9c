"""Frames before video, on the way to the same bucket."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from device.network.frame_store import FrameStore

CHUNK_BYTES = 65_536
PATIENCE_S = 0.25


class Lane:
    """Whether a frame is being sent. Safe from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frames = 0

    @contextmanager
    def frame(self) -> Iterator[None]:
        """Send a frame."""
        with self._changed:
            self._frames += 1
        try:
            yield
        finally:
            with self._changed:
                self._frames -= 1
                self._changed.notify_all()

    def give_way(self, patience_s: float) -> None:
        """Wait until no frame is being sent, but not for longer than *patience_s*."""
        with self._changed:
            self._changed.wait_for(lambda: not self._frames, patience_s)


class FramesFirst:
    """A `FrameStore` whose frames video gives way to."""

    def __init__(self, store: FrameStore, lane: Lane) -> None:
        self._store, self._lane = store, lane

    def put(self, key: str, jpeg: bytes, sha256: str) -> None:
        """See `FrameStore.put`."""
        with self._lane.frame():
            self._store.put(key, jpeg, sha256)


class YieldingBody(io.BytesIO):
    """What is uploaded, and at each chunk gives way to frames.

    While frames are sent without a pause, it still goes on by four chunks a second, so that the
    bucket does not give it up.
    """

    def __init__(self, data: bytes, lane: Lane, *, patience_s: float = PATIENCE_S) -> None:
        super().__init__(data)
        self._lane, self._patience_s = lane, patience_s

    def read(self, size: int | None = -1) -> bytes:
        """Give the next bytes, a chunk at most."""
        self._lane.give_way(self._patience_s)
        whole = size is None or size < 0
        return super().read(size if whole else min(size or 0, CHUNK_BYTES))
