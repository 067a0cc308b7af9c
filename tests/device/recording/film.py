"""Frames that bear their number, so that it can be read off a video, and what plays that."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from device.cameras.camera import Captured, Image
from device.recording.av_writer import AvWriter
from device.recording.planes import Planes, unit
from device.recording.recorder import Recorder
from device.recording.ring import Ring
from device.recording.settings import RecordingSettings
from device.recording.writer import Unit
from tests.device.fakes import NOON

BITS, BLOCK = 16, 16  # a block of 16 x 16 pixels, black or white, a bit
BEGUN_S = 5000.0  # on the monotonic clock
SETTINGS = RecordingSettings(threads=1, preset="ultrafast")


def numbered(number: int) -> Image:
    """Burn *number* into an image of 128 x 32 pixels."""
    bits = np.array([number >> bit & 1 for bit in range(BITS)], np.uint8).reshape(2, BITS // 2)
    grey = np.kron(bits * 215 + 20, np.ones((BLOCK, BLOCK), np.uint8)).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def number_in(image: Image) -> int:
    rows, columns = 2, BITS // 2
    means = image.reshape(rows, BLOCK, columns, BLOCK, 3).mean(axis=(1, 3, 4)).ravel()
    return sum(1 << bit for bit, mean in enumerate(means) if mean > 128)


def filmed(number: int, *, fps: float = 10.0, image: Image | None = None) -> Captured:
    """The frame *number* of a camera that began at noon."""
    return Captured(
        image=numbered(number) if image is None else image,
        captured_at=NOON + timedelta(seconds=number / fps),
        captured_s=BEGUN_S + number / fps,
    )


def frame(number: int, *, fps: float = 10.0, image: Image | None = None) -> Unit[Planes]:
    return unit(filmed(number, fps=fps, image=image), within=(1280, 720))


def open_av(path: Path, first: Unit[Planes]) -> AvWriter:
    return AvWriter(path, first, SETTINGS)


def recorder(ring: Ring, opener: Callable[..., Any] = open_av, **options: Any) -> Recorder[Planes]:
    return Recorder(ring, opener, **{"segment_s": 0.5, **options})


def play(path: Path) -> list[tuple[Fraction, Image]]:
    """Decode a file: when each frame is shown, in seconds, and the frame, B, G, R."""
    with av.open(str(path)) as video:
        return [
            (shown.pts * shown.time_base, shown.to_ndarray(format="bgr24"))
            for shown in video.decode(video=0)
            if shown.pts is not None and shown.time_base is not None
        ]


def numbers(ring: Ring) -> list[int]:
    """The numbers of all frames in a ring, as they are shown."""
    return [number_in(image) for each in ring.ids() for _, image in play(ring.path(each))]


def packets(count: int, *, fps: float = 30.0, group: int = 15) -> Iterator[Unit[bytes]]:
    """What the Pi's encoder gives: H.264 with the parameter sets before each key frame."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = BITS // 2 * BLOCK, 2 * BLOCK, "yuv420p"
    context.time_base, context.gop_size = Fraction(1, 1_000_000), group
    context.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "scenecut=0"}
    for number in range(count):
        yuv = cv2.cvtColor(numbered(number), cv2.COLOR_BGR2YUV_I420)
        shown = av.VideoFrame.from_ndarray(np.asarray(yuv), format="yuv420p")
        shown.pts = round(number * 1e6 / fps)
        for packet in context.encode(shown):
            data = bytes(packet)
            yield Unit(
                data=data,
                at=NOON + timedelta(seconds=number / fps),
                at_s=BEGUN_S + number / fps,
                size=len(data),
                key=packet.is_keyframe,
            )


def evenly(count: int, fps: float) -> Iterable[float]:
    return (BEGUN_S + number / fps for number in itertools.islice(itertools.count(), count))


def broken_clip(path: Path) -> None:
    """Write a clip of 80 frames; those from 50 on begin a group, and before it some are damaged."""
    ring = Ring(path.parent / "source", max_bytes=10**9)
    source = recorder(ring, segment_s=60, queue_bytes=10**9)
    for number in range(80):
        source.offer(frame(number, fps=25))
    source.close()
    source.run()
    ring.close()
    whole = ring.path(ring.ids()[0])
    data = bytearray(whole.read_bytes())
    with av.open(str(whole)) as video:
        at = [packet.pos for packet in video.demux(video=0) if packet.pos][30]
    data[at : at + 30] = b"\x5a" * 30
    path.write_bytes(data)
