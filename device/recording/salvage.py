"""What a process that was killed in the middle of a segment has left of it."""

import contextlib
from fractions import Fraction
from pathlib import Path

import av

from device.recording.mp4 import TICKS, Mp4


def salvage(unfinished: Path, to: Path) -> bool:
    """Write what can be read of *unfinished* to *to*; False: that is nothing.

    Raises:
        OSError: *to* cannot be written.
    """
    packets = 0
    with contextlib.ExitStack() as resources:
        try:
            source = resources.enter_context(av.open(str(unfinished), format="mp4"))
            given = source.streams.video[0]
        except (av.FFmpegError, OSError, IndexError):
            return False
        target = Mp4(to, 0.0)
        try:
            stream = target.track(target.container.add_stream_from_template(given))
            with contextlib.suppress(av.FFmpegError):  # it ends where it was cut off
                for packet in source.demux(given):
                    if packet.pts is None or packet.time_base is None:
                        continue
                    at_s = float(packet.pts * packet.time_base)
                    packet.pts = packet.dts = target.ticks(at_s)
                    packet.time_base, packet.stream = Fraction(1, TICKS), stream
                    target.put(packet)
                    packets += 1
            if packets:
                target.close(None)
                return True
        except BaseException:
            target.discard()
            to.unlink(missing_ok=True)
            raise
        target.discard()
        to.unlink(missing_ok=True)
    return False
