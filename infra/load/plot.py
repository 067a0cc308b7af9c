"""A run as a picture: how late each result came, by when it was begun."""

import math

from PIL import Image

from infra.evaluation.chart import BLUE, RED, Axis, Chart
from infra.load.tally import Run, figures
from infra.timelines import round_times

_SHORTEST_S, _FEW_TICKS = 0.001, 8


def latency_plot(run: Run) -> Image.Image:
    """Draw a dot for each, lines at p50 and p95, and what failed in red (unanswered: on top)."""
    of = figures(run)
    late = [(each.begun_s, each.latency_s, each.failure) for each in run.fates]
    known = [seconds for _, seconds, _ in late if seconds is not None]
    span_s = max([each.begun_s for each in run.fates] + [1.0])
    times = round_times(span_s)
    ticks = _decades(known)
    chart = Chart(
        f"{of.answered} of {of.sent} {run.what} answered, {of.answered_per_s:.2f}/s",
        Axis(
            low=0,
            high=span_s,
            ticks=times[:: max(1, math.ceil(len(times) / _FEW_TICKS))],
            label="begun, s since the first",
        ),
        Axis(
            low=ticks[0],
            high=ticks[-1],
            ticks=ticks,
            label="s from begin to result",
            logarithmic=True,
        ),
    )
    for name, value in (("p50", of.latency_p50_s), ("p95", of.latency_p95_s)):
        if value is not None:
            chart.level(value, f"{name} {value:.2f} s")
    radius = 4 if len(late) <= 1000 else 2
    for colour, is_wanted in ((BLUE, False), (RED, True)):
        dots = [
            (at_s, ticks[-1] if seconds is None else seconds)
            for at_s, seconds, failure in late
            if (failure is not None) is is_wanted
        ]
        chart.points([x for x, _ in dots], [y for _, y in dots], colour, radius=radius)
    entries = [(f"result ({of.answered - _failed_late(run)})", BLUE)]
    if of.failed:
        entries.append((f"failed ({of.failed}); without a result: at the top", RED))
    chart.legend(entries)
    return chart.image


def _failed_late(run: Run) -> int:
    return sum(each.failure is not None and each.answered_s is not None for each in run.fates)


def _decades(values: list[float]) -> list[float]:
    """Powers of ten around all *values*, two at least."""
    low = math.floor(math.log10(max(_SHORTEST_S, min(values, default=0.1))))
    high = math.ceil(math.log10(max(_SHORTEST_S, max(values, default=10.0))))
    return [10.0**power for power in range(low, max(high, low + 1) + 1)]
