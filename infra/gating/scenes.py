"""Made scenes of one fixed camera: an empty room, a light switched, somebody who stands still."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]  # (h, w, 3), BGR

WIDTH, HEIGHT = 640, 480
FPS = 10.0

_PORTRAIT = Path(__file__).parents[2] / "tests" / "data" / "grace-hopper.jpg"
_FACE_X, _FACE_PX = 0.5, 0.36  # of the portrait: the middle of the face, and its width
_NOISES = 8  # frames of noise that take turns: to draw each anew would take longer than all else


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shown:
    """A frame of a scene."""

    image: Picture
    at_s: float
    somebody: bool  # whose face is wholly in the picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """How bright it is."""

    drift: float = 0.0  # up and down by this share, once a minute
    switched_s: tuple[float, ...] = ()  # on and off at these times
    switched_to: float = 0.45

    def at(self, at_s: float) -> float:
        """Give the brightness, 1 being the picture's own."""
        dark = sum(at_s >= each for each in self.switched_s) % 2
        drifted = 1 + self.drift * float(np.sin(2 * np.pi * at_s / 60))
        return drifted * (self.switched_to if dark else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Somebody walks in from the left, stands, and leaves to the right."""

    from_s: float
    stands_s: float
    face_px: float = 60.0
    walks_s: float = 3.0
    sways_px: float = 0.0

    @property
    def until_s(self) -> float:
        """When nothing of them is left in the picture."""
        return self.from_s + 2 * self.walks_s + self.stands_s

    def place(self, at_s: float, width: float) -> float | None:
        """Give the left edge of somebody so wide; None: they are not there."""
        since = at_s - self.from_s
        middle = (WIDTH - width) / 2
        if not 0 <= since < self.until_s - self.from_s:
            return None
        if since < self.walks_s:
            return -width + (middle + width) * since / self.walks_s
        if since < self.walks_s + self.stands_s:
            return middle + self.sways_px * float(np.sin(2 * np.pi * since / 3))
        left = (since - self.walks_s - self.stands_s) / self.walks_s
        return middle + (WIDTH - middle) * left


def scene(
    seconds: float,
    *,
    noise: float = 3.0,
    light: Light | None = None,
    visit: Visit | None = None,
    seed: int = 0,
    fps: float = FPS,
) -> Iterator[Shown]:
    """Film a room: the same frames for the same arguments.

    Args:
        noise: The sensor's, as a standard deviation in grey levels of each channel.
    """
    random = np.random.default_rng(seed)
    room = _room(random)
    light = light or Light()
    person = _person(visit.face_px) if visit else None
    noises = [
        random.normal(0, noise, (HEIGHT, WIDTH, 3)).astype(np.float32) for _ in range(_NOISES)
    ]
    for number in range(round(seconds * fps)):
        at_s = number / fps
        picture, somebody = room, False
        if visit and person is not None:
            left = visit.place(at_s, person.shape[1])
            if left is not None:
                picture, somebody = _with(room, person, left)
        drawn = noises[int(random.integers(_NOISES))]
        rows, columns = int(random.integers(HEIGHT)), int(random.integers(WIDTH))
        noisy = picture * np.float32(light.at(at_s)) + np.roll(drawn, (rows, columns), (0, 1))
        yield Shown(image=_bytes(noisy), at_s=at_s, somebody=somebody)


def dimmed(image: Picture, share: float = 0.35) -> Picture:
    """Give *image* as in less light."""
    return _bytes(image * np.float32(share))


def noisy(image: Picture, random: np.random.Generator, deviation: float = 8.0) -> Picture:
    """Give *image* as from a worse sensor."""
    drawn = random.standard_normal(image.shape, np.float32)
    return _bytes(image + np.float32(deviation) * drawn)


def _bytes(picture: NDArray[np.floating]) -> Picture:
    levels: Picture = np.clip(picture + 0.5, 0, 255).astype(np.uint8)
    return levels


def _room(random: np.random.Generator) -> NDArray[np.float32]:
    """A wall with a window, a door, shelves, and texture: something to hold against each other."""
    room = np.full((HEIGHT, WIDTH, 3), (120, 128, 134), np.float32)
    room += np.linspace(-25, 25, WIDTH, dtype=np.float32)[None, :, None]
    coarse = random.normal(0, 12, (HEIGHT // 16, WIDTH // 16, 1)).astype(np.float32)
    room += cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)[..., None]
    cv2.rectangle(room, (40, 60), (200, 220), (205, 200, 190), -1)
    cv2.rectangle(room, (430, 90), (590, 479), (60, 80, 110), -1)
    for y in (250, 310, 370):
        cv2.rectangle(room, (30, y), (330, y + 8), (50, 60, 70), -1)
        for x in range(40, 320, 26):
            colour = tuple(float(each) for each in random.uniform(40, 200, 3))
            cv2.rectangle(room, (x, y - 34), (x + 16, y), colour, -1)
    return cv2.GaussianBlur(room, (0, 0), 0.8).astype(np.float32)


def _person(face_px: float) -> NDArray[np.float32]:
    """A portrait, of which the face is so wide."""
    portrait = cv2.imread(str(_PORTRAIT), cv2.IMREAD_COLOR)
    if portrait is None:
        raise FileNotFoundError(_PORTRAIT)
    scale = face_px / (_FACE_PX * portrait.shape[1])
    size = round(portrait.shape[1] * scale), round(portrait.shape[0] * scale)
    return cv2.resize(portrait, size, interpolation=cv2.INTER_AREA).astype(np.float32)


def _with(
    room: NDArray[np.float32], person: NDArray[np.float32], left: float
) -> tuple[NDArray[np.float32], bool]:
    """Put somebody in; at a fraction of a pixel, so that a sway is one."""
    height, width = person.shape[:2]
    top = max(0, HEIGHT - height)
    whole = int(np.floor(left))
    shift = np.array([[1, 0, left - whole], [0, 1, 0]], np.float64)
    moved = cv2.warpAffine(person, shift, (width, height), borderMode=cv2.BORDER_REPLICATE)
    x1, x2 = max(0, whole), min(WIDTH, whole + width)
    if x2 <= x1:
        return room, False
    picture = room.copy()
    picture[top:, x1:x2] = moved[: HEIGHT - top, x1 - whole : x2 - whole]
    half = _FACE_PX / 2
    face = left + (_FACE_X - half) * width, left + (_FACE_X + half) * width
    return picture, face[0] >= 0 and face[1] <= WIDTH
