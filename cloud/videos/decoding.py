"""The frames of a film, one after the other, whatever of the file can be decoded."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import av
from av.video.stream import VideoStream

from cloud.videos.containers import Opened
from cloud.videos.damage import Damage
from cloud.videos.groups import Groups
from cloud.videos.times import Times

# Each thread of a decoder holds frames of its own: at 8K some 60 MB, so there are fewer of them.
_THREADS, _THREADS_OF_LARGE = 4, 2
_LARGE = 4096 * 2304
_MOST_HELD = 16_000_000  # bytes of a group that may turn out not to be needed
_READ_ERRORS = 10  # in a row, after which nothing more will come
_SEEKABLE = ("mov,", "matroska,")  # whose index leads to a key frame, and to the very time
_BEFORE_MS = (1_000, 20_000)  # how long before the frame that is wanted to look for a key frame
_MATROSKA_TIME = re.compile(r"([0-9]{1,4}):([0-9]{2}):([0-9]{2}(?:\.[0-9]{1,9})?)")
_SHORT_MS, _SHORT = 300, 0.01  # an end that much earlier than the file says is worth a word


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A frame, and when it is shown."""

    at_ms: int  # from the film's first frame
    frame: av.VideoFrame
    whole: bool  # all of it was decoded, as far as the decoder knows


class Decoding:
    """Decodes one container, once, from its begin to its end.

    Attributes:
        times: Of its frames.
        needless_before_ms: Whoever reads says that no frame before is wanted. Then those on which
            no other depends are not even decoded, nor what is left of a group of pictures when the
            next one begins in time.
    """

    def __init__(self, opened: Opened, damage: Damage) -> None:
        self._opened = opened
        self._stream = opened.stream
        self._damage = damage
        self.times = Times(opened.stream, damage)
        self.needless_before_ms = 0.0
        self._deaf_until_ms = -1
        self._read_dts: int | None = None  # of the last packet
        self._silent = 0  # packets that gave no frame so far
        self._is_uneven = False  # two packets made a frame, or some were left out
        context = self._stream.codec_context
        large = context.width * context.height > _LARGE
        context.thread_type = "AUTO"
        context.thread_count = min(os.cpu_count() or 1, _THREADS_OF_LARGE if large else _THREADS)
        context.options = {"max_pixels": opened.container.options["max_pixels"]}
        self._may_skip = context.name == "h264"  # in HEVC, a frame of a higher layer may need them
        self._groups = Groups(opened.stream)
        # In HEVC, what comes behind the begin of a group may be shown before it.
        self._may_count = context.name == "h264"
        self._frames = self._shown()

    def first(self) -> Shown | None:
        """Decode the first frame; it still comes with the others. Only at the begin."""
        first = next(self._frames, None)
        if first is not None:
            self._frames = chain((first,), self._frames)
        return first

    def __iter__(self) -> Iterator[Shown]:
        return self._frames

    def go_on_behind(self, after_ms: int) -> bool:
        """Go to a key frame before *after_ms*, if the format lets one; only after `first`.

        Then the frames go on from one before *after_ms*, just as they were without. If False is
        returned, some are lost: open the file anew.
        """
        self.ignore_damage(until_ms=after_ms)
        seekable = self._opened.format.startswith(_SEEKABLE) and self.times.are_stamped
        if not seekable or after_ms <= min(_BEFORE_MS):
            return True
        for before_ms in _BEFORE_MS:
            stamp = self.times.stamp_at(max(0, after_ms - before_ms))
            try:
                self._opened.container.seek(stamp, stream=self._stream)
            except av.FFmpegError:
                return False
            self.times.sought()
            self._silent = 0
            frames = self._shown()
            first = next(frames, None)
            if first is not None and first.at_ms < after_ms:
                self._frames = chain((first,), frames)
                return True
        return False

    def ignore_damage(self, *, until_ms: int) -> None:
        """Tell nothing of what is damaged up to there: whoever read it before has told it."""
        self._deaf_until_ms = until_ms

    def _shown(self) -> Iterator[Shown]:
        for packet in self._needed():
            for frame in self._decoded(packet):
                self._silent -= 1
                self._is_uneven |= frame.interlaced_frame
                self._may_count &= not frame.interlaced_frame  # else two packets may be one frame
                at_ms = self.times.of_frame(frame)
                if frame.is_corrupt and at_ms > self._deaf_until_ms:
                    self._damage.frame(at_ms)
                yield Shown(at_ms=at_ms, frame=frame, whole=not frame.is_corrupt)
        self._tell_end()

    def _needed(self) -> Iterator["av.Packet[VideoStream] | None"]:
        """Leave out the rest of a group of which nothing is wanted, once the next one begins."""
        held: list[av.Packet[VideoStream]] = []
        size, newest_ms = 0, 0
        for number, packet in enumerate(self._packets()):
            at_ms = None if packet is None else self._offset_ms(packet, number)
            due_ms = self.needless_before_ms
            if packet is not None and at_ms is not None and self._groups.are_known:
                # What the decoder still holds is not wanted either; else it must come first.
                if held and newest_ms < due_ms >= at_ms and self._groups.begins(packet):
                    self._stream.codec_context.flush_buffers()
                    self.times.left_out_up_to(number)
                    self._is_uneven = True
                    held, size = [], 0
                if at_ms < due_ms and size < _MOST_HELD:
                    held.append(packet)
                    size += packet.size
                    continue
                newest_ms = max(newest_ms, at_ms)
            yield from held
            held, size = [], 0
            yield packet

    def _offset_ms(self, packet: "av.Packet[VideoStream]", number: int) -> int | None:
        """Tell when the frame in *packet* is shown, as far as that can be told beforehand."""
        if self._may_count:
            counted_ms = self.times.of_packet_number(number)
            if counted_ms is not None:
                return counted_ms
        return self.times.of_packet(packet)

    def _packets(self) -> Iterator["av.Packet[VideoStream] | None"]:
        """All that can be read of the stream, then Nones, for what the decoder still holds."""
        errors = 0
        while errors < _READ_ERRORS:
            try:
                for packet in self._opened.container.demux(self._stream):
                    if packet.size:  # AVI has empty ones where nothing changes
                        errors = 0
                        self._note(packet)
                        yield packet
                break
            except av.FFmpegError as err:
                errors += 1
                why = err.strerror or "it is damaged"
        else:
            self._damage.unread(max(0, self.times.last_ms), why)
        # After an error, a decoder may still hold a frame; one a thread at most.
        yield from [None] * self._stream.codec_context.thread_count

    def _note(self, packet: "av.Packet[VideoStream]") -> None:
        if packet.dts is not None:
            self._read_dts = packet.dts
        at_ms = max(0, self.times.last_ms)
        if packet.is_corrupt and at_ms >= self._deaf_until_ms:
            self._damage.torn(at_ms)

    def _decoded(self, packet: "av.Packet[VideoStream] | None") -> list[av.VideoFrame]:
        context = self._stream.codec_context
        self._silent += packet is not None
        if self._may_skip and packet is not None:
            at_ms = self.times.of_packet(packet)
            needless = at_ms is not None and at_ms < self.needless_before_ms
            context.skip_frame = "NONREF" if needless else "DEFAULT"
            self._is_uneven |= needless
        try:
            return context.decode(packet)
        except av.error.EOFError:
            return []
        except av.error.BlockingIOError:
            context.flush_buffers()  # it holds frames that it does not give; rather lose them
        except av.FFmpegError:
            pass
        self.times.lost()
        self._silent -= packet is not None
        at_ms = max(0, self.times.last_ms)
        if packet is not None and at_ms >= self._deaf_until_ms:
            self._damage.packet(at_ms)
        return []

    def _tell_end(self) -> None:
        """Compare where the frames ended with what the file says of itself."""
        if self.times.last_ms < 0:
            return
        if self._may_skip and self._silent > 0 and not self._is_uneven:
            self._damage.silent(self._silent)
        if self._opened.format.startswith("mov,"):
            missing = self._unread()
            if missing:
                self._damage.cut(self.times.last_ms, frames=missing)
            return
        duration_s = self._duration_of_stream_s()
        if duration_s is None or self._opened.is_guessed:
            return
        short_ms = duration_s * 1000 - self.times.last_ms - self.times.period_ms
        if short_ms > max(_SHORT_MS, _SHORT * duration_s * 1000):
            self._damage.short(self.times.last_ms, duration_s=duration_s)

    def _unread(self) -> int:
        """Count the frames in the index whose packets did not come."""
        index, count = self._stream.index_entries, 0
        if self._read_dts is None:
            return 0
        for i in range(len(index) - 1, -1, -1):
            if index[i].timestamp <= self._read_dts:
                break
            count += 1
        return count

    def _duration_of_stream_s(self) -> float | None:
        """Tell how long the video alone lasts, if the file says so."""
        stream = self._stream
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        tag = _MATROSKA_TIME.fullmatch(stream.metadata.get("DURATION", ""))
        if tag is not None:
            return 3600 * float(tag[1]) + 60 * float(tag[2]) + float(tag[3])
        whole = self._opened.container.duration
        alone = len(self._opened.container.streams) == 1
        return whole / 1e6 if alone and whole is not None else None
