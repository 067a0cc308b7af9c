"""A film, and the stills that are taken of it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from numpy.typing import NDArray

from cloud.videos.containers import Opened, open_container
from cloud.videos.damage import Damage
from cloud.videos.decoding import Decoding, Shown
from cloud.videos.sampling import Sampling
from cloud.videos.scenes import SceneChanges
from cloud.videos.times import rate
from cloud.videos.upright import Upright, is_on_its_side, matrix, square
from sightline.errors import VideoError

LONGEST_PX = 1920
LONGEST_SCENE_MS = 30_000  # of a longer one there is a still each so often, as if it began anew

_STEADY_MS = 1000  # what comes before tells what is a change and what goes on
_LONGEST_S = 30 * 24 * 3600  # a file that says it lasts longer is wrong
_FIRST_YEAR = 1971  # 1904 and 1970 are the zeros of QuickTime's clock and of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """A picture out of a film."""

    number: int
    offset_s: float  # from the film's first frame, in whole milliseconds
    frame: NDArray[np.uint8] = field(repr=False)  # (h, w, 3), R, G, B, upright


class Film:
    """A video file of which at least one frame can be decoded. Not for several threads at once.

    Attributes:
        codec: As FFmpeg calls it: `h264`, `hevc`.
        width: Of its pictures, upright and in square pixels, before they are made smaller.
        height: The same.
        duration_s: How long the file says it lasts; None if it does not say.
        rate: Frames a second, on average; None if the file does not say.
        created_at: When the file says it was recorded, in UTC; None if it does not say.
    """

    def __init__(self, path: Path, *, longest_px: int = LONGEST_PX) -> None:
        """See `open_film`."""
        self._path = path
        self._upright = Upright(longest_px)
        self._damage = Damage()
        self._open: Opened | None = None
        try:
            self._describe(self._read().frame)
        except BaseException:
            self.close()
            raise

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be used, in words; complete once all stills were taken."""
        return self._damage.told()

    def stills(
        self, sampling: Sampling, *, after_s: float | None = None, first_number: int = 1
    ) -> Iterator[Still]:
        """Take the stills, in order. A still is the first whole frame at or after its due time.

        Args:
            sampling: Which ones.
            after_s: The offset of the last still that was taken before: go on behind it, and give
                the very stills that would have come after it.
            first_number: Of the first still.
        """
        after_ms = None if after_s is None else round(after_s * 1000)
        number = first_number
        for shown in self._chosen(sampling, after_ms):
            try:
                picture = self._upright.picture(shown.frame, self._pixel)
            except av.FFmpegError:
                self._damage.frame(shown.at_ms)
                continue
            yield Still(number=number, offset_s=shown.at_ms / 1000, frame=picture)
            number += 1

    def close(self) -> None:
        """Let go of the file."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self) -> Shown:
        """Open the file and decode its first frame."""
        self.close()
        self._damage = Damage()
        self._open = opened = open_container(self._path)
        self._decoding = Decoding(opened, self._damage)
        self._is_fresh = True
        first = self._decoding.first()
        if first is None:
            raise _frameless(opened)
        return first

    def _describe(self, frame: av.VideoFrame) -> None:
        assert self._open is not None  # noqa: S101 - just read
        stream = self._open.stream
        self._pixel = stream.sample_aspect_ratio
        size = square(frame.width, frame.height, self._pixel)
        self.width, self.height = size[::-1] if is_on_its_side(matrix(frame)) else size
        self.codec = stream.codec_context.codec.canonical_name
        stamped = self._decoding.times.are_stamped
        self.rate = float(rate(stream) if not stamped else stream.average_rate or 0) or None
        self.duration_s = _duration_s(self._open)
        self.created_at = _time(self._open.metadata.get("creation_time", ""))

    def _chosen(self, sampling: Sampling, after_ms: int | None) -> Iterator[Shown]:
        changes = SceneChanges() if sampling.mode == "scenes" else None
        due_ms = sampling.due_ms(after_ms)
        again_ms = (after_ms or 0) + LONGEST_SCENE_MS
        frames = self._shown(after_ms)
        frames.needless_before_ms = due_ms if changes is None else due_ms - _STEADY_MS
        has_begun = False  # a scene of which no whole frame has come
        for shown in frames:
            is_new = changes is None or changes.score(shown.frame) >= sampling.threshold
            has_begun = shown.at_ms >= due_ms and (has_begun or is_new or shown.at_ms >= again_ms)
            if not has_begun or not shown.whole:
                continue
            yield shown
            has_begun = False
            due_ms, again_ms = sampling.due_ms(shown.at_ms), shown.at_ms + LONGEST_SCENE_MS
            frames.needless_before_ms = due_ms if changes is None else 0.0

    def _shown(self, after_ms: int | None) -> Decoding:
        """All frames; with *after_ms*, those from before it on."""
        if not self._is_fresh:
            self._read()
        self._is_fresh = False
        if after_ms is not None and not self._decoding.go_on_behind(after_ms):
            self._read()
            self._is_fresh = False
            self._decoding.ignore_damage(until_ms=after_ms)
        return self._decoding


def open_film(path: Path, *, longest_px: int = LONGEST_PX) -> Film:
    """Open a video file, and decode its first frame; use it in a `with`.

    Args:
        path: A file; nothing else is ever opened, whatever it says.
        longest_px: Stills whose longer side has more are made smaller.

    Raises:
        VideoError: The file is empty, no video, a sound, or of a kind that cannot be decoded, or
            not one frame of it can.
    """
    return Film(path, longest_px=longest_px)


def _frameless(opened: Opened) -> VideoError:
    if opened.is_guessed:
        return VideoError("no picture can be decoded out of it, so it is no video")
    if not opened.stream.codec_context.width:  # FFmpeg forgets a size that it does not take
        return VideoError("its pictures have no size, or more than 8K", reason="unsupported")
    return VideoError("no frame of it can be decoded", reason="no_frames")


def _duration_s(opened: Opened) -> float | None:
    stream, whole = opened.stream, opened.container.duration
    if stream.duration is not None and stream.time_base is not None:
        duration_s = float(stream.duration * stream.time_base)
    else:
        duration_s = whole / 1e6 if whole is not None else 0.0
    return duration_s if 0 < duration_s < _LONGEST_S else None


def _time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return at if at.year >= _FIRST_YEAR else None
