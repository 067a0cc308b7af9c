"""What the function counts, as it stands where CloudWatch would read it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from cloud.metrics import UNITS
from device.clock import utc_now
from infra.local.stack import LocalStack
from infra.target import Target
from sightline.keys import new_frame_id
from sightline.messages import FrameCaptured
from tests.end_to_end.actors import DATA, Operator, eventually

pytestmark = pytest.mark.stack


def test_a_frame_is_counted_and_nobody_is_named(
    stack: LocalStack,
    target: Target,
    grace: str,
    operator: Operator,
    store: Callable[[str, bytes], None],
    thing: str,
) -> None:
    name = target.output("RecognizeFunction")
    log = stack.lambda_service.log_path(name)
    metrics = log.with_name(f"{name}.metrics.log")
    before = len(metrics.read_bytes())
    now = utc_now()
    frame_id = new_frame_id(now)
    key = f"frames/{thing}/2026/11/21/{frame_id}.jpg"
    store(key, (DATA / "grace-hopper.jpg").read_bytes())

    operator.send(thing, FrameCaptured(key=key, frame_id=frame_id, captured_at=now))
    operator.recognized(frame_id)
    operator.send(thing, "not JSON")
    operator.rejection_of(thing)

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in metrics.read_bytes()[before:].splitlines()]

    def both() -> bool:
        # Of other tests, too, whose frames come late: the stack is everybody's.
        counted = lines()
        return any("Known" in one for one in counted) and any("Rejected" in one for one in counted)

    eventually("metrics of both", both)
    known = next(one for one in lines() if "Known" in one)
    assert known["Stack"] == stack.settings.stack
    assert (known["Frames"], known["Known"]) == (1, 1)
    assert 0 < known["Recognize"] < known["ResultAge"]
    for one in lines():
        assert set(one) <= {"_aws", "Stack", *UNITS}
    text = metrics.read_text()
    for secret in (grace, "Grace", thing, frame_id):
        assert secret not in text
    assert '"_aws"' not in log.read_text()
