"""What the gate did, along the time, as a picture."""

import math
from collections.abc import Callable, Sequence
from itertools import groupby

from PIL import Image, ImageDraw

from device.gate.gate import Reason
from infra.gating.trial import SPARED, Look, Trial
from infra.timelines import (
    FAINT,
    GRID,
    INK,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Colour,
    font,
    round_times,
    write,
)

_CURVE, _ROW, _GAP = 260, 34, 14  # heights, px
_LEAST = 0.0005  # of the picture: less is drawn as this
_DECADES = (0.001, 0.01, 0.1, 1.0)

_GREEN, _BLUE, _PALE, _RED = (40, 140, 90), (38, 98, 166), (168, 200, 230), (200, 60, 50)
_ORANGE, _YELLOW, _GREY = (235, 150, 60), (240, 215, 90), (214, 214, 214)
_MAGENTA = (190, 30, 140)

# What is drawn alike, with the words of the legend.
_KINDS: Sequence[tuple[str, Colour, frozenset[Reason]]] = (
    (
        "passed (of each burst the best is sent)",
        _GREEN,
        frozenset({"first", "motion", "present", "face", "asked", "keepalive"}),
    ),
    ("somebody is there, one was sent a moment ago", _PALE, SPARED),
    ("waiting for the processor, or a sharper frame", _ORANGE, frozenset({"budget", "blurred"})),
    ("checked, no face", _RED, frozenset({"no_face"})),
    ("light switched", _YELLOW, frozenset({"light"})),
    ("nothing moves", _GREY, frozenset({"still"})),
)


def timeline(trial: Trial, title: str) -> Image.Image:
    """Draw the motion with its threshold, each decision, the checks, what was sent, the truth."""
    return _Timeline(trial).draw(title)


class _Timeline:
    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._looks = trial.looks
        self._start_s = self._looks[0].at_s if self._looks else 0.0
        self._span_s = max(trial.seconds, 0.1)
        self._step_s = trial.seconds / max(1, len(self._looks) - 1) or 0.1
        rows = 2 + (trial.mode == "faces") + self._has_truth
        height = TOP + _CURVE + 40 + rows * (_ROW + _GAP) + 66
        self._image = Image.new("RGB", (WIDTH, height), "white")
        self._draw = ImageDraw.Draw(self._image)
        self._top = TOP

    @property
    def _has_truth(self) -> bool:
        return any(look.usable is not None for look in self._looks)

    def draw(self, title: str) -> Image.Image:
        trial = self._trial
        write(self._draw, (LEFT, 16), title, size=20)
        share = len(trial.sent) / max(1, len(self._looks))
        said = (
            f'mode "{trial.mode}": {len(trial.sent)} of {len(self._looks)} frames looked at would '
            f"be sent ({100 * share:.1f} %), in {trial.seconds:.1f} s"
        )
        write(self._draw, (LEFT, 44), said, colour=FAINT)
        self._curve()
        self._strip("decision", self._looks, _colour)
        if trial.mode == "faces":
            checked = [look for look in self._looks if look.verdict.faces is not None]
            self._ticks("checks", checked, lambda look: _GREEN if look.verdict.faces else _RED)
        self._ticks("sent", trial.sent, lambda _: INK)
        if self._has_truth:
            missed = {look.at_s for look in trial.missed()}
            self._strip(
                "usable faces",
                self._looks,
                lambda look: _truth_colour(look, missed) if look.usable else None,
            )
        self._legend()
        return self._image

    def _curve(self) -> None:
        """Draw the share that differs from the room, on a logarithmic axis."""
        top, bottom = self._top, self._top + _CURVE
        self._label("motion", (top + bottom) / 2 - 22)
        write(
            self._draw,
            (LEFT - 64, (top + bottom) / 2 - 2),
            "share of",
            anchor="rm",
            colour=FAINT,
            size=13,
        )
        write(
            self._draw,
            (LEFT - 64, (top + bottom) / 2 + 16),
            "the picture",
            anchor="rm",
            colour=FAINT,
            size=13,
        )
        for share in _DECADES:
            y = self._y(share)
            self._draw.line([(LEFT, y), (WIDTH - RIGHT, y)], GRID, 1)
            write(self._draw, (LEFT - 8, y), f"{100 * share:g} %", anchor="rm", size=13)
        for at_s in round_times(self._span_s):
            x = self._x(self._start_s + at_s)
            self._draw.line([(x, top), (x, bottom)], GRID, 1)
            write(self._draw, (x, bottom + 6), _time(at_s), anchor="ma", size=13)
        points = [(self._x(look.at_s), self._y(look.verdict.motion)) for look in self._looks]
        if points:
            ground = [(points[0][0], bottom), *points, (points[-1][0], bottom)]
            self._draw.polygon(ground, (222, 233, 245))
            self._draw.line(points, _BLUE, 2)
        threshold = self._trial.settings.motion.threshold
        y = self._y(threshold)
        self._draw.line([(LEFT, y), (WIDTH - RIGHT, y)], _ORANGE, 2)
        word = f"threshold {100 * threshold:g} %"
        box = self._draw.textbbox((WIDTH - RIGHT - 6, y - 4), word, font(13), anchor="rd")
        self._draw.rectangle([box[0] - 4, box[1] - 2, box[2] + 4, box[3] + 2], "white", _ORANGE)
        write(self._draw, (WIDTH - RIGHT - 6, y - 4), word, anchor="rd", size=13)
        self._draw.rectangle([LEFT, top, WIDTH - RIGHT, bottom], None, FAINT)
        self._top = bottom + 40

    def _strip(
        self, name: str, looks: Sequence[Look], colour: Callable[[Look], Colour | None]
    ) -> None:
        """Fill the time of each look; what is rare last and two pixels wide, so that it shows."""
        self._frame(name)
        runs = [(each, list(run)) for each, run in groupby(looks, colour)]
        for each, run in sorted(runs, key=lambda item: -len(item[1])):
            if each is None:
                continue
            left = self._x(run[0].at_s)
            right = max(left + 2, self._x(run[-1].at_s + self._step_s))
            right = min(right, WIDTH - RIGHT)
            self._draw.rectangle([left, self._top + 1, right, self._top + _ROW - 1], each)
        self._top += _ROW + _GAP

    def _ticks(self, name: str, looks: Sequence[Look], colour: Callable[[Look], Colour]) -> None:
        self._frame(name)
        write(
            self._draw,
            (WIDTH - RIGHT + 6, self._top + _ROW / 2),
            f"{len(looks)}",
            anchor="lm",
            size=13,
        )
        for look in looks:
            x = self._x(look.at_s)
            self._draw.line([(x, self._top + 4), (x, self._top + _ROW - 4)], colour(look), 2)
        self._top += _ROW + _GAP

    def _frame(self, name: str) -> None:
        self._label(name, self._top + _ROW / 2)
        self._draw.rectangle(
            [LEFT, self._top, WIDTH - RIGHT, self._top + _ROW], (250, 250, 250), GRID
        )

    def _legend(self) -> None:
        entries = [
            (text, colour)
            for text, colour, reasons in _KINDS
            if any(look.verdict.reason in reasons for look in self._looks)
        ]
        if self._has_truth:
            entries.append(("a usable face, by the full detector", _BLUE))
            if self._trial.missed():
                entries.append(("missed", _MAGENTA))
        x, y = float(LEFT), self._top + 6
        for text, colour in entries:
            wide = 24 + self._draw.textlength(text, font(14)) + 22
            if x + wide > WIDTH - RIGHT:
                x, y = float(LEFT), y + 26
            self._draw.rectangle([x, y, x + 14, y + 14], colour)
            write(self._draw, (x + 22, y + 7), text, anchor="lm", size=14)
            x += wide

    def _label(self, name: str, y: float) -> None:
        anchor = LEFT - 64 if name == "motion" else LEFT - 12
        write(self._draw, (anchor, y), name, anchor="rm", size=15)

    def _x(self, at_s: float) -> float:
        return LEFT + (at_s - self._start_s) / self._span_s * (WIDTH - LEFT - RIGHT)

    def _y(self, share: float) -> float:
        low = math.log10(_LEAST)
        at = (math.log10(min(1.0, max(share, _LEAST))) - low) / -low
        return TOP + _CURVE * (1 - at)


def _colour(look: Look) -> Colour:
    return next(colour for _, colour, reasons in _KINDS if look.verdict.reason in reasons)


def _truth_colour(look: Look, missed: set[float]) -> Colour:
    return _MAGENTA if look.at_s in missed else _BLUE


def _time(at_s: float) -> str:
    if at_s < 60:
        return f"{at_s:g} s"
    hours, rest = divmod(round(at_s), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
