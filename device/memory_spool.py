"""A spool in memory: what is in it is lost with the process."""

import threading
import time
from dataclasses import replace

from device.spool import SpooledFrame, State


class MemorySpool:
    """See `device.spool.Spool`."""

    def __init__(self, *, max_frames: int = 120, max_bytes: int = 64_000_000) -> None:
        """Hold at most so many waiting frames, and so many bytes of JPEG."""
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._changed = threading.Condition()
        self._waiting: dict[str, SpooledFrame] = {}  # by id
        self._taken: dict[str, SpooledFrame] = {}

    def put(self, frame: SpooledFrame) -> tuple[str, ...]:
        """See `Spool.put`."""
        with self._changed:
            self._waiting[frame.frame_id] = frame
            dropped = self._make_room()
            self._changed.notify()
            return dropped

    def take(self, timeout_s: float) -> SpooledFrame | None:
        """See `Spool.take`."""
        until_s = time.monotonic() + timeout_s
        with self._changed:
            while not self._waiting:
                if not self._changed.wait(max(0.0, until_s - time.monotonic())):
                    return None
            frame_id = max(self._waiting)  # UUIDv7: ids sort as the frames were taken
            frame = self._taken[frame_id] = self._waiting.pop(frame_id)
            return frame

    def mark(self, frame_id: str, state: State) -> None:
        """See `Spool.mark`."""
        with self._changed:
            if state == "answered":
                self._waiting.pop(frame_id, None)
                self._taken.pop(frame_id, None)
                return
            for frames in (self._waiting, self._taken):
                if frame_id in frames:
                    frame = frames[frame_id]
                    frames[frame_id] = replace(
                        frame,
                        state=state,
                        jpeg=frame.jpeg if state == "captured" else b"",
                        attempts=frame.attempts + (state == "published"),
                    )

    def release(self, frame_id: str) -> None:
        """See `Spool.release`."""
        with self._changed:
            if frame_id in self._taken:
                self._waiting[frame_id] = self._taken.pop(frame_id)
                self._changed.notify()

    def depth(self) -> int:
        """See `Spool.depth`."""
        with self._changed:
            return len(self._waiting) + len(self._taken)

    def _make_room(self) -> tuple[str, ...]:
        """Drop the oldest waiting frames until both bounds hold; the newest always stays."""
        dropped = []
        while len(self._waiting) > 1 and not self._fits():
            oldest = min(self._waiting)
            del self._waiting[oldest]
            dropped.append(oldest)
        return tuple(dropped)

    def _fits(self) -> bool:
        size = sum(len(frame.jpeg) for frame in self._waiting.values())
        return len(self._waiting) <= self._max_frames and size <= self._max_bytes
