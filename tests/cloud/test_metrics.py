"""The lines that CloudWatch makes metrics of."""

import io
import json
from typing import get_args

import pytest

from cloud.metrics import DIMENSION, NAMESPACE, REPEAT, UNITS, EmbeddedMetrics
from sightline.messages import Decision
from tests.cloud.fakes import NOON


def lines(*written: dict[str, float]) -> list[str]:
    stream = io.StringIO()
    metrics = EmbeddedMetrics("front", stream=stream, now=lambda: NOON)
    for values in written:
        metrics.write(values)
    return stream.getvalue().splitlines()


def test_a_line_is_what_the_specification_asks_for() -> None:
    [line] = lines({"Frames": 1, "ResultAge": 640.5})

    assert json.loads(line) == {
        "_aws": {
            "Timestamp": 1795262400512,
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": [[DIMENSION]],
                    "Metrics": [
                        {"Name": "Frames", "Unit": "Count"},
                        {"Name": "ResultAge", "Unit": "Milliseconds"},
                    ],
                }
            ],
        },
        "Stack": "front",
        "Frames": 1,
        "ResultAge": 640.5,
    }


def test_a_line_is_told_by_its_beginning() -> None:
    one, two = lines({"Frames": 1}, dict(REPEAT))

    assert one.startswith('{"_aws":')
    assert two.startswith('{"_aws":')


def test_what_is_no_metric_of_ours_is_not_written() -> None:
    with pytest.raises(KeyError):
        lines({"grace-hopper": 1})


def test_every_decision_has_its_metric() -> None:
    names = {decision.title().replace("_", "") for decision in get_args(Decision)}

    assert names < set(UNITS)


def test_a_log_that_takes_no_line_costs_no_frame() -> None:
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

    EmbeddedMetrics("front", stream=Full(), now=lambda: NOON).write(REPEAT)
