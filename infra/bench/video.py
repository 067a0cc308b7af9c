"""What splitting a video costs: decoding it and taking stills, beside how long it plays."""

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.videos.film import open_film
from cloud.videos.sampling import Sampling
from cloud.videos.still_jpeg import encode_jpeg
from infra.bench.cold_start import PORTRAIT
from infra.demo.clip import FRAMES_PER_S, HEIGHT, WIDTH, Scene, frames
from sightline.errors import ConfigError

COLUMNS = ("what", "× real time", "to reach", "seconds", "")

SECONDS, FPS = 60, 30
LEAST = 15.0  # × real time, of the default sampling without writing JPEGs

_DRAWN_S = 10  # drawing takes longer than decoding, so the rest of the minute is that again
_NAME = "Grace Hopper"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table: `least` is what is to be reached; None: it is told, not judged."""

    what: str
    times: float  # as fast as the video plays; the best run, to which others can only add
    seconds: float  # that run's
    least: float | None = None
    detail: str = ""

    @property
    def reached(self) -> bool:
        """Whether it is no less than it should be."""
        return self.least is None or self.times >= self.least


def measure(say: Callable[[str], None] = lambda _: None, *, runs: int = 3) -> list[Figure]:
    """Measure all of it, each *runs* times; takes about a minute."""
    folder = Path(tempfile.mkdtemp(prefix="sightline-bench-"))
    try:
        path = folder / "clip.mp4"
        say(f"drawing {SECONDS} s of {WIDTH}×{HEIGHT} at {FPS} a second …")
        write_clip(path)
        rate = path.stat().st_size * 8 / SECONDS / 1e6
        made = f"{WIDTH}×{HEIGHT}, {FPS} a second, H.264 of {rate:.1f} Mbit/s"
        say("decoding it …")
        return [
            _figure("decode, 2 stills a second", path, "every:0.5", runs, least=LEAST, detail=made),
            _figure("the same, with their JPEGs", path, "every:0.5", runs, write=True),
            _figure("decode, a still every 10 s", path, "every:10", runs),
            _figure("decode, a still of each scene", path, "scenes", runs),
            _figure("decode, all frames", path, "all", runs),
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def as_rows(measured: Sequence[Figure]) -> list[tuple[str, ...]]:
    """Lay figures out for a table with `COLUMNS`."""
    rows: list[tuple[str, ...]] = []
    for each in measured:
        reach = (
            "" if each.least is None else f"≥ {each.least:g}{'' if each.reached else '  MISSED'}"
        )
        rows.append((each.what, f"{each.times:.1f}", reach, f"{each.seconds:.2f}", each.detail))
    return rows


def reached(measured: Sequence[Figure]) -> bool:
    """Tell whether all is as it should be."""
    return all(each.reached for each in measured)


def write_clip(path: Path, *, seconds: int = SECONDS) -> None:
    """Write a clip of somebody who walks through a room, as a phone would code it.

    Raises:
        ConfigError: The portrait cannot be read.
    """
    portrait = cv2.imread(str(PORTRAIT))
    if portrait is None:
        raise ConfigError(f"{PORTRAIT} cannot be read")
    drawn_s = min(seconds, _DRAWN_S)
    drawn = path.with_suffix(".drawn.mp4")
    _draw(drawn, np.asarray(portrait, np.uint8), drawn_s)
    _repeat(path, drawn, seconds // drawn_s)
    drawn.unlink()


def _draw(path: Path, portrait: NDArray[np.uint8], seconds: int) -> None:
    # As if for its own, lower rate: what moves moves as far from frame to frame.
    scene = Scene(seconds=seconds * FPS / FRAMES_PER_S, names=(_NAME,))
    options = {"preset": "medium", "crf": "23", "g": str(2 * FPS)}
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for image, _ in frames({_NAME: portrait}, (scene,)):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        output.mux(stream.encode(None))


def _repeat(path: Path, drawn: Path, times: int) -> None:
    """Write the same packets again and again, each time behind the last."""
    with av.open(str(path), "w") as output, av.open(str(drawn)) as source:
        stream = output.add_stream_from_template(source.streams.video[0])
        begins = 0
        for _ in range(times):
            source.seek(0)
            ends = begins
            for packet in source.demux(video=0):
                if packet.pts is None or packet.dts is None or packet.duration is None:
                    continue  # the last one, which has nothing in it
                ends = max(ends, begins + packet.pts + packet.duration)
                packet.pts, packet.dts = packet.pts + begins, packet.dts + begins
                packet.stream = stream
                output.mux(packet)
            begins = ends


def _figure(
    what: str,
    path: Path,
    sampling: str,
    runs: int,
    *,
    write: bool = False,
    least: float | None = None,
    detail: str = "",
) -> Figure:
    took_s, count, duration_s = [], 0, 0.0
    for _ in range(runs):
        begun_s = time.perf_counter()
        with open_film(path) as film:
            count = 0
            for still in film.stills(Sampling.parse(sampling)):
                count += 1
                if write:
                    encode_jpeg(still.frame)
            duration_s = film.duration_s or 0.0
        took_s.append(time.perf_counter() - begun_s)
    best_s = min(took_s)
    told = f"{count} stills{', ' + detail if detail else ''}"
    return Figure(what=what, times=duration_s / best_s, seconds=best_s, least=least, detail=told)
