"""Films whose frames bear their number, made as tests need them."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

Picture = NDArray[np.uint8]  # (h, w, 3), R, G, B

TICKS = 90_000  # a second
BITS, BLOCK = 16, 16
QUICK = {"preset": "ultrafast", "crf": "23"}
# As cameras and phones write it: frames that come out of order, and some that others depend on.
LAYERED = {"preset": "veryfast", "crf": "23", "bf": "3", "b-pyramid": "normal", "g": "25"}


def numbered(number: int) -> Picture:
    """Draw *number* as two rows of eight squares, black or white, above as much noise."""
    bits = np.array([number >> bit & 1 for bit in range(BITS)], np.uint8).reshape(2, BITS // 2)
    grey = np.kron(bits * 215 + 20, np.ones((BLOCK, BLOCK), np.uint8)).astype(np.uint8)
    noise = np.random.default_rng(number).integers(0, 256, (2 * BLOCK, grey.shape[1]), np.uint8)
    return np.repeat(np.vstack((grey, noise))[:, :, None], 3, axis=2)


def number_in(picture: Picture) -> int:
    """Read what `numbered` drew."""
    squares = picture[: 2 * BLOCK].reshape(2, BLOCK, BITS // 2, BLOCK, 3)
    means = squares.mean(axis=(1, 3, 4)).ravel()
    return sum(1 << bit for bit, mean in enumerate(means) if mean > 128)


def write_film(
    path: Path,
    pictures: Iterable[Picture],
    *,
    fps: int = 25,
    at_s: Sequence[float] | None = None,
    codec: str = "libx264",
    container: str | None = None,
    options: Mapping[str, str] = QUICK,
    muxing: Mapping[str, str] | None = None,
    turned: float | None = None,
    metadata: Mapping[str, str] | None = None,
    pixels: str = "yuv420p",
    pixel: Fraction | None = None,
    sound: bool = False,
) -> Path:
    """Write *pictures* as a film.

    Args:
        path: Where to; its ending names the container, unless that is given.
        pictures: All of one size, with even sides.
        fps: How many are shown a second.
        at_s: When each is shown instead, beginning with 0.
        codec: As FFmpeg calls the encoder.
        container: As FFmpeg calls the muxer.
        options: Of the encoder.
        muxing: Of the muxer.
        turned: Have players turn it by that many degrees, counterclockwise.
        metadata: Of the container.
        pixels: Their format, as FFmpeg calls it.
        pixel: The shape of a pixel, width by height.
        sound: Add a track of silence.
    """
    with av.open(str(path), "w", format=container, options=dict(muxing or {})) as output:
        output.metadata.update(metadata or {})
        stream: VideoStream | None = None
        for number, picture in enumerate(pictures):
            if stream is None:
                stream = output.add_stream(codec, rate=fps, options=dict(options))
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = pixels
                stream.codec_context.time_base = Fraction(1, TICKS if at_s else fps)
                if pixel is not None:
                    stream.codec_context.sample_aspect_ratio = pixel
                if turned is not None:
                    stream.set_display_rotation(turned)
                if sound:
                    _add_silence(output)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = round((number / fps if at_s is None else at_s[number]) * TICKS)
            frame.time_base = Fraction(1, TICKS)
            output.mux(stream.encode(frame))
        assert stream is not None
        output.mux(stream.encode(None))
    return path


def write_numbers(path: Path, count: int, **how: object) -> Path:
    """Write a film of frames numbered from 0."""
    return write_film(path, map(numbered, range(count)), **how)  # type: ignore[arg-type]


def write_sound(path: Path, codec: str = "aac") -> Path:
    """Write a second of silence, and nothing else."""
    with av.open(str(path), "w") as output:
        _add_silence(output, codec)
    return path


def _add_silence(output: av.container.OutputContainer, codec: str = "aac") -> None:
    stream = output.add_stream(codec, rate=48_000, layout="mono")
    resampler = av.AudioResampler(stream.format.name, "mono", 48_000, frame_size=1024)
    for i in range(47):
        samples = np.zeros((1, 1024), np.int16)
        silence = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        silence.sample_rate, silence.pts = 48_000, 1024 * i
        for each in resampler.resample(silence):
            output.mux(stream.encode(each))
    output.mux(stream.encode(None))
