"""An MP4 file with one track of H.264, by PyAV.

While it is written it is in fragments, of which a process that is killed leaves all but the last
(see `device.recording.salvage`); when it is closed it gets the index of a plain MP4, which every
player takes. That costs no second copy of the data, as "faststart" would.
Source: https://ffmpeg.org/ffmpeg-formats.html#mov_002c-mp4_002c-ismv, hybrid_fragmented.
"""

import contextlib
import io
import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import av
from av.video.stream import VideoStream

TICKS = 90_000  # a second: the clock of MPEG, fine enough for any camera's rate
FRAGMENT_S = 2.0
_OPTIONS = {
    "movflags": "+hybrid_fragmented",
    "frag_duration": str(round(FRAGMENT_S * 1e6)),
    "flush_packets": "1",  # a fragment goes to the system when it is whole
}
_FRAME_S = 1 / 30  # how long a single frame is shown, if nobody can tell

S = TypeVar("S", bound=VideoStream)


class Mp4:
    """A file that is written packet by packet; only its owner may read it.

    Methods raise `OSError`, whatever it was that FFmpeg did not like.
    """

    def __init__(self, path: Path, begun_s: float) -> None:
        """Begin *path*, whose first frame was taken at *begun_s*."""
        self._begun_s = begun_s
        self._held: av.Packet[Any] | None = None  # until it is known for how long it is shown
        self._last, self._frame = -1, round(_FRAME_S * TICKS)  # in ticks
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = _File(descriptor, "w+b")  # ours, so that the disk's own error comes through
        self.container = av.open(self._file, "w", format="mp4", options=_OPTIONS)

    def track(self, stream: S) -> S:
        """Have *stream* count time as we do."""
        stream.time_base = Fraction(1, TICKS)
        return stream

    def ticks(self, at_s: float) -> int:
        """Give the time stamp of the next frame, which is later than the last one's."""
        at = max(round((at_s - self._begun_s) * TICKS), self._last + 1)
        if self._last >= 0:
            self._frame = at - self._last
        self._last = at
        return at

    def put(self, packet: "av.Packet[Any]") -> None:
        """Write a packet, once the next tells for how long it is shown."""
        if self._held is not None:
            assert packet.pts is not None  # noqa: S101
            assert self._held.pts is not None  # noqa: S101
            self._mux(packet.pts - self._held.pts)
        self._held = packet

    def close(self, until_s: float | None) -> None:
        """Finish the file; it is on the disk once somebody has synced it."""
        with translated():
            if self._held is not None and until_s is not None:
                left = round((until_s - self._begun_s) * TICKS) - self._last
                self._mux(left if left > 0 else self._frame)
            elif self._held is not None:
                self._mux(self._frame)
            self.container.close()
        self._file.close()

    def discard(self) -> None:
        """Let go of it as it is."""
        with contextlib.suppress(OSError, av.FFmpegError):
            self.container.close()
        with contextlib.suppress(OSError):
            self._file.close()

    def _mux(self, duration: int) -> None:
        packet, self._held = self._held, None
        assert packet is not None  # noqa: S101
        packet.duration = duration
        with translated():
            self.container.mux(packet)


class _File(io.FileIO):
    """A file whose `write` takes all, or raises; FFmpeg does not look how much it took."""

    def write(self, data: Any) -> int:
        """See `io.RawIOBase.write`."""
        rest = whole = memoryview(data)
        while rest:
            rest = rest[super().write(rest) or 0 :]
        return len(whole)


class translated(contextlib.AbstractContextManager["translated"]):  # noqa: N801 - reads as a word
    """Turn FFmpeg's errors into `OSError`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if isinstance(exc, av.FFmpegError) and not isinstance(exc, OSError):
            raise OSError(f"FFmpeg: {exc.strerror}") from exc
