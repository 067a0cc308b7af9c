"""The figures as pictures: the ROC, the histogram, and where recognition falls off."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from infra.evaluation.chart import BLUE, GREEN, ORANGE, WIDTH, Axis, Chart
from infra.evaluation.gates import ENOUGH, Gate, Step
from sightline.faces.metrics import Pairs, at_threshold, auc, roc

BINS = 60


def roc_chart(
    pairs: Pairs, *, engine: str, threshold: float | None = None, recommended: float | None = None
) -> Image.Image:
    """Draw the ROC, from the lowest FAR that so many different pairs can show.

    With a point for the threshold in force, and one for that recommended.
    """
    curve = roc(pairs)
    count = len(pairs.different)
    decades = math.ceil(math.log10(max(10, count)))
    lowest = 10.0**-decades
    seen = curve.tar[curve.far <= 10 * lowest].max()
    floor = max(0.0, math.floor(seen * 10 - 1) / 10)
    chart = Chart(
        f"ROC of {engine}: AUC {auc(pairs):.4f}",
        Axis(
            low=lowest,
            high=1,
            ticks=[10.0**-i for i in range(decades, -1, -1)],
            label=f"FAR: share accepted of {count:,} different pairs",
            logarithmic=True,
        ),
        Axis(
            low=floor,
            high=1,
            ticks=[round(v, 2) for v in np.linspace(floor, 1, 6)],
            label=f"TAR: share accepted of {len(pairs.same):,} same pairs",
        ),
    )
    if 1 / count > lowest * 1.5:
        chart.shade(lowest, 1 / count, f"less than\none in {count:,}")
    # As steps: between two distances nothing changes.
    chart.line(np.repeat(curve.far, 2)[1:].tolist(), np.repeat(curve.tar, 2)[:-1].tolist(), BLUE)
    entries = []
    # What is recommended above the other: the two are often at one place.
    for what, value, colour in (
        ("threshold", threshold, ORANGE),
        ("recommended", recommended, GREEN),
    ):
        if value is not None:
            found = at_threshold(pairs, value)
            chart.points([found.far], [found.tar], colour)
            entries.append(
                (f"{what} {value:.3f}: TAR {found.tar:.3f}, FAR {found.far:.2g}", colour)
            )
    chart.legend(entries)
    return chart.image


def histogram(pairs: Pairs, *, engine: str, threshold: float, recommended: float) -> Image.Image:
    """Draw how distances are distributed, each kind as shares of its own."""
    high = float(max(pairs.same[-1], pairs.different[-1], threshold, recommended)) * 1.02
    edges = np.linspace(0, high, BINS + 1)
    same = np.histogram(pairs.same, edges)[0] / len(pairs.same)
    different = np.histogram(pairs.different, edges)[0] / len(pairs.different)
    top = float(max(same.max(), different.max())) * 1.08
    chart = Chart(
        f"Distances of {engine}",
        Axis(low=0, high=high, ticks=_ticks(high), label="distance"),
        Axis(
            low=0,
            high=top,
            ticks=_ticks(top),
            label="share of the pairs of each kind",
            percent=True,
        ),
    )
    chart.bars(edges, different, ORANGE)
    chart.bars(edges, same, BLUE)
    anchors = ("ra", "la") if threshold < recommended else ("la", "ra")
    chart.mark(threshold, f"threshold {threshold:.3f}", row=0, anchor=anchors[0])
    chart.mark(recommended, f"recommended {recommended:.3f}", row=1, anchor=anchors[1])
    chart.legend(
        [
            (f"the same person ({len(pairs.same):,})", BLUE),
            (f"different people ({len(pairs.different):,})", ORANGE),
        ]
    )
    return chart.image


def gates_chart(steps: Sequence[Step], gates: Sequence[Gate], *, engine: str) -> Image.Image:
    """Draw how many faces are recognised, the smaller and the more blurred: side by side."""
    charts = [_gate_chart(steps, gate, engine) for gate in gates]
    sheet = Image.new("RGB", (WIDTH * len(charts), charts[0].height), "white")
    for place, chart in enumerate(charts):
        sheet.paste(chart, (WIDTH * place, 0))
    return sheet


def _gate_chart(steps: Sequence[Step], gate: Gate, engine: str) -> Image.Image:
    points = gate.points(steps)
    values = [value for value, _ in points] + [gate.in_force]
    low, high = min(values) / 1.15, max(values) * 1.15
    chart = Chart(
        f"{gate.title}, by {engine}",
        Axis(
            low=low,
            high=high,
            ticks=[tick for tick in gate.ticks if low <= tick <= high],
            label=gate.label,
            logarithmic=True,
        ),
        Axis(
            low=0,
            high=1.04,
            ticks=[0, 0.2, 0.4, 0.6, 0.8, 1],
            label="share of the changed faces",
            percent=True,
        ),
    )
    series = (
        (BLUE, [(v, step.recognised) for v, step in points if step.recognised is not None]),
        (ORANGE, [(v, step.mistaken) for v, step in points if step.mistaken is not None]),
    )
    best = max((share for _, share in series[0][1]), default=0.0)
    if best:
        chart.level(ENOUGH * best, f"{100 * ENOUGH:g} % of the best")
    for colour, places in series:
        xs, ys = [x for x, _ in places], [y for _, y in places]
        chart.line(xs, ys, colour)
        chart.points(xs, ys, colour)
    at_left = gate.recommended is None or gate.in_force < gate.recommended
    anchors = ("ra", "la") if at_left else ("la", "ra")
    chart.mark(gate.in_force, f"in force {gate.in_force:g}", row=9, anchor=anchors[0])
    if gate.recommended is not None:
        text = f"recommended {gate.recommended:.3g}"
        chart.mark(gate.recommended, text, row=10, anchor=anchors[1])
    chart.legend([("recognised", BLUE), ("nearer than the threshold to somebody else", ORANGE)])
    return chart.image


def _ticks(high: float) -> list[float]:
    """Five to twelve round values from 0 to *high*."""
    step = 10.0 ** math.floor(math.log10(high))
    step = next(step * share for share in (1, 0.5, 0.2, 0.1) if high / (step * share) >= 5)
    return [round(i * step, 6) for i in range(int(high / step + 1e-9) + 1)]
