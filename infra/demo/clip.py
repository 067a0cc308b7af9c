"""A clip of portraits moving through a room, with the truth about each of its frames.

Every frame carries its number in a strip of blocks along its lower edge, which survives JPEG, so
that whoever gets a frame back from anywhere can look up who really is in it.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.errors import ConfigError

Image = NDArray[np.uint8]  # (h, w, 3), BGR as OpenCV has it

WIDTH, HEIGHT = 1280, 720
FRAMES_PER_S = 10

_BLOCK, _BITS = 16, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A portrait in a frame: where, in pixels from the top left."""

    name: str
    x: int
    y: int
    width: int
    height: int

    def holds(self, box: tuple[int, int, int, int]) -> bool:
        """Tell whether the middle of *box* (x, y, width, height) lies in it."""
        x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
        return self.x <= x < self.x + self.width and self.y <= y < self.y + self.height


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Some seconds of the clip, and whose portraits move through them."""

    seconds: float
    names: tuple[str, ...]


SCENES = (
    Scene(seconds=2, names=()),
    Scene(seconds=6, names=("Grace Hopper",)),
    Scene(seconds=1.5, names=()),
    Scene(seconds=5, names=("Eileen Collins",)),
    Scene(seconds=5.5, names=("Grace Hopper", "Eileen Collins")),
)
Truth = tuple[tuple[Shown, ...], ...]  # for each frame, who is shown in it


def make_clip(
    path: Path, portraits: Mapping[str, Image], scenes: tuple[Scene, ...] = SCENES
) -> Truth:
    """Write the clip (MPEG-4 at `FRAMES_PER_S`) and say who is in each of its frames.

    Raises:
        ConfigError: OpenCV cannot write there.
    """
    codec = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(path), codec, FRAMES_PER_S, (WIDTH, HEIGHT))
    if not writer.isOpened():
        raise ConfigError(
            f"the clip cannot be written to {path}: is the folder there and not full?"
        )
    truth = []
    try:
        for image, shown in frames(portraits, scenes):
            writer.write(image)
            truth.append(shown)
    finally:
        writer.release()
    return tuple(truth)


def frames(
    portraits: Mapping[str, Image], scenes: tuple[Scene, ...] = SCENES
) -> Iterator[tuple[Image, tuple[Shown, ...]]]:
    """Draw the frames, one by one: the same ones each time."""
    random = np.random.default_rng(1906)
    room = _room()
    number = 0
    for scene in scenes:
        count = round(scene.seconds * FRAMES_PER_S)
        for i in range(count):
            image = room.copy()
            shown = tuple(
                _show(image, portraits[name], name, i / count, place, len(scene.names))
                for place, name in enumerate(scene.names)
            )
            light = 1 + 0.25 * math.sin(number / 9)  # as when clouds pass
            noise = random.normal(0, 4, (HEIGHT // 2, WIDTH // 2, 1))  # a sensor's, in blocks of 2
            grain = cv2.resize(noise.astype(np.float32), (WIDTH, HEIGHT))[..., None]
            lit = np.clip(image * light + grain, 0, 255).astype(np.uint8)
            draw_number(lit, number)
            yield lit, shown
            number += 1


def draw_number(image: Image, number: int) -> None:
    """Write *number* (16 bits) into the lower left corner of *image*, as black and white blocks."""
    for bit in range(_BITS):
        colour = 235 if number >> bit & 1 else 20
        image[-_BLOCK:, bit * _BLOCK : (bit + 1) * _BLOCK] = colour


def read_number(image: Image) -> int:
    """Read what `draw_number` wrote, from any copy of the picture in its own size."""
    strip = image[-_BLOCK:, : _BITS * _BLOCK].mean(axis=(0, 2)).reshape(_BITS, _BLOCK).mean(axis=1)
    return sum(1 << bit for bit in range(_BITS) if strip[bit] > 127)


def _room() -> Image:
    """A wall, a floor and a window, so that the picture is not empty where nobody is."""
    rows = np.linspace(150, 95, HEIGHT)[:, None, None]
    room = np.broadcast_to(rows * (0.92, 1.0, 1.05), (HEIGHT, WIDTH, 3)).astype(np.uint8).copy()
    room[600:] = (70, 88, 104)
    cv2.rectangle(room, (60, 60), (300, 330), (205, 195, 180), -1)
    cv2.rectangle(room, (60, 60), (300, 330), (90, 95, 100), 8)
    cv2.line(room, (180, 60), (180, 330), (90, 95, 100), 6)
    return room


def _show(image: Image, portrait: Image, name: str, at: float, place: int, of: int) -> Shown:
    """Paste *portrait*, panned and zoomed as far as *at* (0 to 1) of its scene says."""
    zoom = 0.75 + 0.25 * math.sin(math.pi * at)
    height = round(560 * zoom)
    width = round(portrait.shape[1] * height / portrait.shape[0])
    span = WIDTH // of
    x = span * place + round((span - width) * (0.15 + 0.7 * at))
    y = 600 - height + round(12 * math.sin(at * 25))  # a step's bounce
    x, y = max(0, min(x, WIDTH - width)), max(0, min(y, HEIGHT - _BLOCK - height))
    image[y : y + height, x : x + width] = cv2.resize(
        portrait, (width, height), interpolation=cv2.INTER_AREA
    )
    return Shown(name=name, x=x, y=y, width=width, height=height)
