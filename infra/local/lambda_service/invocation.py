"""An invocation, what came of it, and the record of one that was given up."""

import json
import secrets
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from infra.local.lambda_service.function import Function

MAX_SYNC_BYTES = 6 * 1024 * 1024  # request or response
MAX_ASYNC_BYTES = 1024 * 1024
VERSION = "$LATEST"

Condition = Literal["RetriesExhausted", "EventAgeExceeded", "QueueFull", "ServiceStopped"]
"""Why an event was given up; the last two are ours, for AWS's queue neither fills up nor stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of one attempt.

    Attributes:
        payload: JSON: what the handler returned, or the error.
        error: None, or AWS's word for a failed function.
    """

    payload: bytes = field(repr=False)
    error: Literal["Unhandled"] | None = None


def failure(error_type: str, message: str) -> Outcome:
    """An error found by the service rather than told by the handler."""
    body = {"errorType": error_type, "errorMessage": message}
    return Outcome(payload=json.dumps(body).encode(), error="Unhandled")


@dataclass(slots=True, kw_only=True, eq=False)
class Invocation:
    """One event on its way; the thread that has it in hand may change it.

    Attributes:
        payload: JSON.
        waiting: Whether somebody waits for the outcome: a synchronous invocation.
        received_s: Monotonic seconds.
        finished: Set once `outcome` is final.
    """

    payload: bytes = field(repr=False)
    waiting: bool = False
    trace_id: str = field(default_factory=lambda: trace_id())
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    received_s: float = field(default_factory=time.monotonic)
    attempts: int = 0
    outcome: Outcome | None = None
    finished: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def age_s(self) -> float:
        """Seconds since it was received."""
        return time.monotonic() - self.received_s


def trace_id() -> str:
    """A fresh X-Ray header of a request that is not sampled."""
    root = f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    return f"Root={root};Parent={secrets.token_hex(8)};Sampled=0"


def failure_record(
    function: Function, invocation: Invocation, condition: Condition
) -> dict[str, Any]:
    """What the on-failure destination is told.

    Source: AWS Lambda developer guide, "Capturing records of Lambda asynchronous invocations".
    """
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": invocation.request_id,
            "functionArn": f"{function.arn}:{VERSION}",
            "condition": condition,
            "approximateInvokeCount": invocation.attempts,
        },
        "requestPayload": _read(invocation.payload),
    }
    if invocation.outcome is not None:
        record["responseContext"] = {
            "statusCode": 200,  # of the invocation; that it failed is said beside it
            "executedVersion": VERSION,
            "functionError": invocation.outcome.error,
        }
        record["responsePayload"] = _read(invocation.outcome.payload)
    return record


def _read(payload: bytes) -> Any:
    """The *payload* as JSON, or as the text it is instead: a runtime may answer anything."""
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return payload.decode(errors="replace")
