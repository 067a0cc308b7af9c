"""The scores as pictures: the ROC and the histogram."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from sightline.faces.metrics import Pairs, auc, roc

Colour = tuple[int, int, int]

BLUE, ORANGE, GREY, INK = (38, 98, 166), (217, 119, 30), (222, 222, 222), (40, 40, 40)
WIDTH, HEIGHT = 880, 600
LEFT, RIGHT, TOP, BOTTOM = 86, 28, 84, 70  # margins, px
BINS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A range of values along one side."""

    low: float
    high: float
    ticks: Sequence[float]
    label: str
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Tell how far along the axis *value* is, 0 to 1."""
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.logarithmic:
            low, high, at = math.log10(low), math.log10(high), math.log10(at)
        return (at - low) / (high - low)


class Chart:
    """Two axes to draw between."""

    def __init__(self, title: str, x: Axis, y: Axis) -> None:
        self.image = Image.new("RGB", (WIDTH, HEIGHT), "white")
        self._draw = ImageDraw.Draw(self.image, "RGBA")
        self._x, self._y = x, y
        self._draw.text((LEFT, 14), title, INK, ImageFont.load_default(20))
        self._ticks()

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Give the pixel of a point."""
        right = LEFT + self._x.share(x) * (WIDTH - LEFT - RIGHT)
        return right, HEIGHT - BOTTOM - self._y.share(y) * (HEIGHT - TOP - BOTTOM)

    def line(self, xs: NDArray[np.float64], ys: NDArray[np.float64], colour: Colour) -> None:
        """Draw a line through points."""
        self._draw.line([self.at(x, y) for x, y in zip(xs, ys, strict=True)], colour, 3)

    def bars(self, edges: NDArray[np.float64], ys: NDArray[np.float64], colour: Colour) -> None:
        """Draw a bar between each two *edges*."""
        for low, high, y in zip(edges[:-1], edges[1:], ys, strict=True):
            if y > 0:
                self._draw.rectangle(
                    [*self.at(low, y), *self.at(high, self._y.low)], (*colour, 120), colour
                )

    def mark(self, x: float, text: str, *, row: int, anchor: str) -> None:
        """Draw a line across at *x*, with a word to the left or right of it, some rows down."""
        top, bottom = self.at(x, self._y.high), self.at(x, self._y.low)
        self._draw.line([top, bottom], INK, 2)
        at = top[0] + (6 if anchor == "la" else -6), top[1] + 4 + 20 * row
        self._draw.text(at, text, INK, ImageFont.load_default(15), anchor=anchor)

    def legend(self, entries: Sequence[tuple[str, Colour]]) -> None:
        """Say what the colours are, above the plot at the right."""
        font = ImageFont.load_default(15)
        for i, (text, colour) in enumerate(entries):
            left = WIDTH - RIGHT - self._draw.textlength(text, font)
            y = 16 + 24 * i
            self._draw.rectangle([left - 20, y + 3, left - 8, y + 15], colour)
            self._draw.text((left, y), text, INK, font)

    def _ticks(self) -> None:
        font = ImageFont.load_default(14)
        for value in self._x.ticks:
            x, bottom = self.at(value, self._y.low)
            self._draw.line([(x, bottom), (x, TOP)], GREY, 1)
            self._draw.text((x, bottom + 8), f"{value:g}", INK, font, anchor="ma")
        for value in self._y.ticks:
            left, y = self.at(self._x.low, value)
            self._draw.line([(left, y), (WIDTH - RIGHT, y)], GREY, 1)
            self._draw.text((left - 8, y), f"{value:g}", INK, font, anchor="rm")
        middle = (LEFT + WIDTH - RIGHT) / 2
        self._draw.text((middle, HEIGHT - 36), self._x.label, INK, font, anchor="ma")
        self._draw.text((LEFT, TOP - 14), self._y.label, INK, font, anchor="lm")


def roc_chart(pairs: Pairs, *, engine: str) -> Image.Image:
    """Draw the ROC, from the lowest FAR that so many different pairs can show."""
    curve = roc(pairs)
    decades = math.ceil(math.log10(max(10, len(pairs.different))))
    lowest = 10.0**-decades
    seen = curve.tar[curve.far <= 10 * lowest].max()
    floor = max(0.0, math.floor(seen * 10 - 1) / 10)
    chart = Chart(
        f"ROC of {engine}: AUC {auc(pairs):.4f}",
        Axis(
            low=lowest,
            high=1,
            ticks=[10.0**-i for i in range(decades, -1, -1)],
            label=f"FAR: share accepted of {len(pairs.different):,} different pairs",
            logarithmic=True,
        ),
        Axis(
            low=floor,
            high=1,
            ticks=[round(v, 2) for v in np.linspace(floor, 1, 6)],
            label=f"TAR: share accepted of {len(pairs.same):,} same pairs",
        ),
    )
    # As steps: between two distances nothing changes.
    xs, ys = np.repeat(curve.far, 2)[1:], np.repeat(curve.tar, 2)[:-1]
    chart.line(xs, ys, BLUE)
    return chart.image


def histogram(pairs: Pairs, *, engine: str, threshold: float, recommended: float) -> Image.Image:
    """Draw how distances are distributed, each kind as shares of its own."""
    high = float(max(pairs.same[-1], pairs.different[-1], threshold, recommended)) * 1.02
    edges = np.linspace(0, high, BINS + 1)
    same = np.histogram(pairs.same, edges)[0] / len(pairs.same)
    different = np.histogram(pairs.different, edges)[0] / len(pairs.different)
    top = float(max(same.max(), different.max())) * 1.08
    step = 10.0 ** math.floor(math.log10(high / 2))
    chart = Chart(
        f"Distances of {engine}",
        Axis(low=0, high=high, ticks=_ticks(high, step), label="distance"),
        Axis(low=0, high=top, ticks=[], label="share of the pairs of each kind"),
    )
    chart.bars(edges, different, ORANGE)
    chart.bars(edges, same, BLUE)
    anchors = ("ra", "la") if threshold < recommended else ("la", "ra")
    chart.mark(threshold, f"threshold {threshold:.2f}", row=0, anchor=anchors[0])
    chart.mark(recommended, f"recommended {recommended:.3f}", row=1, anchor=anchors[1])
    chart.legend(
        [
            (f"the same person ({len(pairs.same):,})", BLUE),
            (f"different people ({len(pairs.different):,})", ORANGE),
        ]
    )
    return chart.image


def _ticks(high: float, step: float) -> list[float]:
    step = step if high / step <= 12 else 2 * step
    return [round(i * step, 6) for i in range(int(high / step) + 1)]
