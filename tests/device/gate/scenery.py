"""What the gate's tests look at: cheap made pictures, and a finder that is told what it finds."""

from collections.abc import Iterable

import numpy as np

from device.cameras.camera import Captured, Image
from device.gate.gate import Gate, Seen, Verdict
from infra.gating.trial import captured


class Room:
    """A small picture with structure, sensor noise, and a square that can stand in it."""

    def __init__(self, *, noise: float = 2.0, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)
        coarse = self._random.uniform(60, 180, (12, 16, 1))
        self._picture = np.kron(coarse, np.ones((10, 10, 3)))
        self._noise = noise

    def frame(self, *, square: int | None = None, light: float = 1.0) -> Image:
        """Film it (120, 160, 3): the square's left edge in px, and how bright it is."""
        picture = self._picture.copy()
        if square is not None:
            picture[30:90, square : square + 40] = (20, 230, 230)
        noise = self._random.normal(0, self._noise, picture.shape)
        return np.clip(picture * light + noise, 0, 255).astype(np.uint8)

    def empty(self, start_s: float, seconds: float, every_s: float = 0.1) -> list[Captured]:
        """Film nobody for a while."""
        times = start_s + np.arange(round(seconds / every_s)) * every_s
        return [captured(self.frame(), float(at_s)) for at_s in times]

    def standing(self, start_s: float, seconds: float, every_s: float = 0.1) -> list[Captured]:
        """Film somebody who does not stir."""
        times = start_s + np.arange(round(seconds / every_s)) * every_s
        return [captured(self.frame(square=60), float(at_s)) for at_s in times]

    def walking(self, start_s: float, seconds: float, every_s: float = 0.1) -> list[Captured]:
        """Film somebody who walks from left to right."""
        count = round(seconds / every_s)
        return [
            captured(self.frame(square=round(120 * i / count)), start_s + i * every_s)
            for i in range(count)
        ]


class ToldFinder:
    """Finds a face while it is told to; each look takes so long of the processor."""

    def __init__(self, *, faces: int = 0, cost_s: float = 0.016) -> None:
        self.faces, self.cost_s, self.score = faces, cost_s, 0.5
        self.looks = 0
        self.spent_s = 0.0

    def look(self, image: Image) -> Seen:
        self.looks += 1
        self.spent_s += self.cost_s
        return Seen(faces=self.faces, side_px=60, sharpness=0.1, score=self.score)

    def clock(self) -> float:
        return self.spent_s


def verdicts(gate: Gate, frames: Iterable[Captured]) -> list[Verdict]:
    """Show *frames* to *gate*."""
    return [gate.see(each.image, each.captured_s) for each in frames]
