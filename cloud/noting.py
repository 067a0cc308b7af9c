"""What the log and the metrics hear of each answer."""

import logging
from collections.abc import Callable
from datetime import datetime

from cloud.intake import Reference
from cloud.metrics import REJECTED, REPEAT, Metrics, of_result
from sightline.messages import FrameRecognized, FrameRejected

log = logging.getLogger(__name__)

RECOGNIZING = ("decode", "detect", "embed")  # the stages that the metric Recognize sums up


def note(
    reference: Reference,
    answer: FrameRecognized | FrameRejected,
    *,
    metrics: Metrics,
    now: Callable[[], datetime],
) -> None:
    """Log and count an answer."""
    captured = reference.captured
    if isinstance(answer, FrameRejected):
        said = "frame %s of %s rejected, %s: %s"
        log.warning(said, captured.frame_id, reference.device, answer.reason, answer.detail)
        metrics.write(REJECTED)
    elif answer.repeat:
        log.info("frame %s of %s answered again", answer.frame_id, answer.device)
        metrics.write(REPEAT)
    else:
        log.info("%s", _summary(answer))
        recognize_ms = round(sum(answer.timings_ms[stage] for stage in RECOGNIZING), 1)
        metrics.write(
            of_result(
                answer, recognize_ms=recognize_ms, captured_at=captured.captured_at, now=now()
            )
        )


def _summary(result: FrameRecognized) -> str:
    decisions = [face.decision for face in result.faces]
    counted = ", ".join(f"{decisions.count(d)} {d}" for d in sorted(set(decisions))) or "no face"
    timings = " ".join(f"{name}={ms:.0f}" for name, ms in result.timings_ms.items())
    return f"frame {result.frame_id} of {result.device}: {counted}; ms: {timings}"
