"""A fleet's run as a picture: how late results came, and what each device's network was like."""

import math
from collections.abc import Iterator, Mapping, Sequence

from PIL import Image, ImageDraw

from infra.fleet.fleet import Outcome
from infra.fleet.weather import Weather
from infra.timelines import (
    FAINT,
    GRID,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Colour,
    font,
    round_times,
    write,
)

_PLOT = 340  # height, px
_DECADES_MS = (10, 100, 1_000, 10_000, 100_000, 1_000_000)

_DOT, _DROP = (38, 98, 166), (200, 30, 30)
_COLOURS: Mapping[str, Colour] = {
    "slow": (246, 220, 140),
    "silent": (245, 176, 110),
    "outage": (232, 120, 105),
    "reset": (150, 70, 160),
    "half-open": (120, 150, 200),
}
_FAIR: Colour = (238, 245, 238)


def timeline(outcome: Outcome) -> Image.Image:
    """Draw latencies over time, and below a strip a device with its weather and its drops."""
    return _Timeline(outcome).draw()


class _Timeline:
    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        things = outcome.plan.things
        self._row = max(4, min(18, 700 // len(things)))
        self._span_s = max(1.0, outcome.end_s - outcome.begin_s)
        self._ceiling_ms = self._ceiling()
        height = TOP + _PLOT + 44 + len(things) * self._row + 60
        self._image = Image.new("RGB", (WIDTH, height), "white")
        self._draw = ImageDraw.Draw(self._image)

    def draw(self) -> Image.Image:
        plan, tally = self._outcome.plan, self._outcome.tally
        title = f"{plan.devices} devices for {plan.seconds:g} s, faults: {plan.faults}"
        write(self._draw, (LEFT, 14), title, size=20)
        said = f"{tally.captured} captured, {tally.answered} answered, {tally.dropped} dropped"
        write(self._draw, (LEFT, 44), f"{said}; times from capture to result", colour=FAINT)
        self._shade()
        self._axes()
        self._dots()
        bottom = self._strips(TOP + _PLOT + 44)
        self._legend(bottom + 14)
        return self._image

    def _shade(self) -> None:
        """Shade the times at which something was wrong, the darker the more devices it met."""
        episodes = [list(self._episodes(thing)) for thing in self._outcome.plan.things]
        for x in range(LEFT, WIDTH - RIGHT):
            at_s = (x - LEFT) / (WIDTH - LEFT - RIGHT) * self._span_s
            hit = sum(any(a <= at_s < b for a, b, _ in each) for each in episodes)
            if hit:
                share = hit / len(episodes)
                colour = tuple(round(255 - share * (255 - c)) for c in (250, 205, 190))
                self._draw.line([(x, TOP), (x, TOP + _PLOT)], colour)

    def _axes(self) -> None:
        for ms in _DECADES_MS:
            if ms <= self._ceiling_ms:
                y = self._y(ms)
                self._draw.line([(LEFT, y), (WIDTH - RIGHT, y)], GRID)
                word = f"{ms} ms" if ms < 1000 else f"{ms // 1000} s"
                write(self._draw, (LEFT - 8, y), word, anchor="rm", size=13)
        for at_s in round_times(self._span_s):
            x = self._x(at_s)
            write(self._draw, (x, TOP + _PLOT + 6), f"{at_s:g} s", anchor="ma", size=13)
            self._draw.line([(x, TOP + _PLOT), (x, TOP + _PLOT + 4)], FAINT)
        self._draw.rectangle([LEFT, TOP, WIDTH - RIGHT, TOP + _PLOT], None, FAINT)

    def _dots(self) -> None:
        for fate in self._outcome.fates.values():
            if fate.captured_s is None or fate.total_ms is None:
                continue
            x, y = self._x(fate.captured_s - self._outcome.begin_s), self._y(fate.total_ms)
            self._draw.ellipse([x - 1.5, y - 1.5, x + 1.5, y + 1.5], _DOT)

    def _strips(self, top: int) -> int:
        for number, thing in enumerate(self._outcome.plan.things):
            y = top + number * self._row
            box = [LEFT, y, WIDTH - RIGHT, y + self._row - 2]
            self._draw.rectangle(box, _FAIR)
            for begin_s, end_s, weather in self._episodes(thing):
                left = self._x(begin_s)
                right = max(left + 2, self._x(end_s))
                colour = _COLOURS.get(weather.name, GRID)
                self._draw.rectangle(
                    [left, y, min(right, WIDTH - RIGHT), y + self._row - 2], colour
                )
            if self._row >= 12 or number % 5 == 0:
                middle = y + self._row / 2 - 1
                write(
                    self._draw, (LEFT - 8, middle), thing, anchor="rm", size=min(13, self._row + 4)
                )
        rows = {thing: top + i * self._row for i, thing in enumerate(self._outcome.plan.things)}
        for fate in self._outcome.fates.values():
            if fate.dropped_s is not None and fate.device in rows:
                x, y = self._x(fate.dropped_s - self._outcome.begin_s), rows[fate.device]
                self._draw.line([(x, y), (x, y + self._row - 2)], _DROP, 2)
        return top + len(rows) * self._row

    def _legend(self, y: int) -> None:
        seen = {w.name for thing in self._outcome.plan.things for _, _, w in self._episodes(thing)}
        entries: list[tuple[str, Colour]] = [("a result", _DOT)]
        entries += [(name, colour) for name, colour in _COLOURS.items() if name in seen]
        if self._outcome.tally.dropped:
            entries.append(("a frame dropped", _DROP))
        x = float(LEFT)
        for text, colour in entries:
            self._draw.rectangle([x, y, x + 14, y + 14], colour)
            write(self._draw, (x + 22, y + 7), text, anchor="lm", size=14)
            x += 44 + self._draw.textlength(text, font(14))

    def _episodes(self, thing: str) -> Iterator[tuple[float, float, Weather]]:
        """Give the times at which a device's network was in trouble, from the run's begin on."""
        history: Sequence[tuple[float, Weather]] = self._outcome.weather[thing]
        ends = [at_s for at_s, _ in history[1:]] + [self._outcome.end_s]
        for (at_s, weather), end_s in zip(history, ends, strict=True):
            if weather.name in _COLOURS:
                yield at_s - self._outcome.begin_s, end_s - self._outcome.begin_s, weather

    def _ceiling(self) -> float:
        most = max((f.total_ms or 0 for f in self._outcome.fates.values()), default=0)
        return next((ms for ms in _DECADES_MS[2:] if ms >= most), _DECADES_MS[-1])

    def _x(self, at_s: float) -> float:
        share = min(1.0, max(0.0, at_s / self._span_s))
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def _y(self, ms: float) -> float:
        low, high = math.log10(_DECADES_MS[0]), math.log10(self._ceiling_ms)
        at = (math.log10(min(self._ceiling_ms, max(ms, _DECADES_MS[0]))) - low) / (high - low)
        return TOP + _PLOT * (1 - at)
