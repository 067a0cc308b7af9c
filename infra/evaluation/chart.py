"""Two axes, and what can be drawn between them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from infra.timelines import font

Colour = tuple[int, int, int]

BLUE, ORANGE, GREEN, RED = (38, 98, 166), (217, 119, 30), (40, 140, 90), (200, 30, 30)
GREY, INK = (222, 222, 222), (40, 40, 40)
WIDTH, HEIGHT = 880, 600
LEFT, RIGHT, TOP, BOTTOM = 86, 28, 84, 70  # margins, px


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A range of values along one side."""

    low: float
    high: float
    ticks: Sequence[float]
    label: str
    logarithmic: bool = False
    percent: bool = False  # how ticks are written

    def write(self, value: float) -> str:
        """Write a tick."""
        return f"{round(100 * value, 6):g} %" if self.percent else f"{value:g}"

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
        self._draw.text((LEFT, 14), title, INK, font(20))
        self._ticks()

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Give the pixel of a point."""
        right = LEFT + self._x.share(x) * (WIDTH - LEFT - RIGHT)
        return right, HEIGHT - BOTTOM - self._y.share(y) * (HEIGHT - TOP - BOTTOM)

    def line(self, xs: Sequence[float], ys: Sequence[float], colour: Colour) -> None:
        """Draw a line through points."""
        self._draw.line([self.at(x, y) for x, y in zip(xs, ys, strict=True)], colour, 3)

    def points(
        self, xs: Sequence[float], ys: Sequence[float], colour: Colour, *, radius: int = 6
    ) -> None:
        """Draw a dot at each point, with an edge that keeps it apart from others."""
        edge = radius // 3
        for x, y in zip(xs, ys, strict=True):
            self._draw.circle(self.at(x, y), radius, colour, "white" if edge else None, edge)

    def shade(self, low: float, high: float, text: str) -> None:
        """Grey all between two x, and say what it is."""
        (left, top), (right, bottom) = self.at(low, self._y.high), self.at(high, self._y.low)
        self._draw.rectangle([left, top, right, bottom], (*GREY, 130))
        at = (left + right) / 2, (top + bottom) / 2
        self._draw.text(at, text, INK, font(14), anchor="mm", align="center")

    def level(self, y: float, text: str) -> None:
        """Draw a thin line along at *y*, with a word above its left end."""
        left, right = self.at(self._x.low, y), self.at(self._x.high, y)
        self._draw.line([left, right], INK, 1)
        self._word((left[0] + 8, left[1] - 5), text, "ld")

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
        self._word(at, text, anchor)

    def legend(self, entries: Sequence[tuple[str, Colour]]) -> None:
        """Say what the colours are, above the plot at the right."""
        small = font(15)
        for i, (text, colour) in enumerate(entries):
            left = WIDTH - RIGHT - self._draw.textlength(text, small)
            y = 16 + 24 * i
            self._draw.rectangle([left - 20, y + 3, left - 8, y + 15], colour)
            self._draw.text((left, y), text, INK, small)

    def _word(self, at: tuple[float, float], text: str, anchor: str) -> None:
        """Write on a ground of its own, since it may lie over bars and lines."""
        box = self._draw.textbbox(at, text, font(15), anchor=anchor)
        self._draw.rectangle([box[0] - 3, box[1] - 2, box[2] + 3, box[3] + 2], (255, 255, 255, 215))
        self._draw.text(at, text, INK, font(15), anchor=anchor)

    def _ticks(self) -> None:
        small = font(14)
        for value in self._x.ticks:
            x, bottom = self.at(value, self._y.low)
            self._draw.line([(x, bottom), (x, TOP)], GREY, 1)
            self._draw.text((x, bottom + 8), self._x.write(value), INK, small, anchor="ma")
        for value in self._y.ticks:
            left, y = self.at(self._x.low, value)
            self._draw.line([(left, y), (WIDTH - RIGHT, y)], GREY, 1)
            self._draw.text((left - 8, y), self._y.write(value), INK, small, anchor="rm")
        middle = (LEFT + WIDTH - RIGHT) / 2
        self._draw.text((middle, HEIGHT - 36), self._x.label, INK, small, anchor="ma")
        self._draw.text((LEFT, TOP - 14), self._y.label, INK, small, anchor="lm")
