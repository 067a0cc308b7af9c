"""What the function counts of each frame: one line of its log, which CloudWatch makes metrics of.

No request, no right and no library is needed for that: whatever a function prints in this form is
read out of its log (Lambda passes a printed line of JSON on as it is, and takes one that names no
level for INFO). A line has numbers and the stack's name, never a device's or a person's: each
further value of a dimension would be a metric of its own, and be billed as one.

Powertools for AWS Lambda writes the same lines. It is not used for its price: 36 ms of each cold
start and 7.6 MB in the image, against the twenty lines below.

Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format".
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, Protocol, TextIO

from sightline.messages import Decision, FrameRecognized

NAMESPACE: Final = "sightline"
DIMENSION: Final = "Stack"

# Every metric there is, with its unit. `infra/template.yaml` draws and watches them by these names.
UNITS: Final[Mapping[str, str]] = {
    "Frames": "Count",  # references that were answered, in whatever way
    "Faces": "Count",
    "Known": "Count",
    "Unknown": "Count",
    "Unsure": "Count",
    "TooSmall": "Count",
    "Blurred": "Count",
    "Rejected": "Count",
    "Repeats": "Count",  # answered before, and sent the same answer again
    "ResultAge": "Milliseconds",  # from the camera's shutter until the result was sent
    "Recognize": "Milliseconds",  # decoding, finding and embedding
}

# A device whose clock is wrong would spoil every percentile for a day. An answer older than this is
# counted as one, and its age is not.
OLDEST = timedelta(minutes=10)

_BY_DECISION: Final[Mapping[Decision, str]] = {
    "known": "Known",
    "unknown": "Unknown",
    "unsure": "Unsure",
    "too_small": "TooSmall",
    "blurred": "Blurred",
}

Values = Mapping[str, float]


class Metrics(Protocol):
    """Takes what was counted of one frame."""

    def write(self, values: Values) -> None:
        """Write *values*, by the names in `UNITS`; never fails."""
        ...


class NoMetrics:
    """See `Metrics`; for dry runs, where nobody counts."""

    def write(self, values: Values) -> None:
        """See `Metrics.write`."""


class EmbeddedMetrics:
    """See `Metrics`; one line a frame."""

    def __init__(self, stack: str, *, stream: TextIO, now: Callable[[], datetime]) -> None:
        self._stack = stack
        self._stream = stream
        self._now = now

    def write(self, values: Values) -> None:
        """See `Metrics.write`."""
        line = {
            # First, so that whoever reads the log can tell such a line by its beginning.
            "_aws": {
                "Timestamp": int(self._now().timestamp() * 1000),
                "CloudWatchMetrics": [
                    {
                        "Namespace": NAMESPACE,
                        "Dimensions": [[DIMENSION]],
                        "Metrics": [{"Name": name, "Unit": UNITS[name]} for name in values],
                    }
                ],
            },
            DIMENSION: self._stack,
            **values,
        }
        with suppress(OSError):  # a frame was served all the same
            self._stream.write(json.dumps(line, separators=(",", ":")) + "\n")
            self._stream.flush()


def of_result(
    result: FrameRecognized, *, recognize_ms: float, captured_at: datetime | None, now: datetime
) -> Values:
    """Count a new answer.

    Args:
        result: What was answered.
        recognize_ms: How long it was looked at.
        captured_at: When the device says that it took the frame; None if it does not say. The
            time that the reference came would make a bad camera's results look fresh.
        now: When the answer was sent.
    """
    values: dict[str, float] = {"Frames": 1, "Faces": len(result.faces)}
    for face in result.faces:
        name = _BY_DECISION[face.decision]
        values[name] = values.get(name, 0) + 1
    values["Recognize"] = recognize_ms
    if captured_at is not None and timedelta() <= now - captured_at <= OLDEST:
        values["ResultAge"] = round((now - captured_at) / timedelta(milliseconds=1), 1)
    return values


REPEAT: Final[Values] = {"Frames": 1, "Repeats": 1}
REJECTED: Final[Values] = {"Frames": 1, "Rejected": 1}
