"""Lambda: say who is in each frame that a device refers to.

The topic rule in `infra/template.yaml` invokes this asynchronously. What a retry may mend is left
to rise: Lambda tries again, and what still fails goes to the dead letters.
"""

import functools
import logging
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

from cloud.environment import read
from cloud.intake import Reference, excerpt, read_event, refer, rejection
from cloud.metrics import REJECTED, EmbeddedMetrics, Metrics, NoMetrics
from cloud.settings import Settings
from sightline.errors import ConfigError, MessageError, ModelError, SightlineError
from sightline.messages import FrameRejected

if TYPE_CHECKING:  # imported where it is built: the networks' libraries come with it
    from cloud.iot import IotResults
    from cloud.recognition import Recognition, Results

log = logging.getLogger(__name__)


class Event(TypedDict):
    """What the topic rule selects."""

    payload: str  # the device's own bytes, in base64
    topic: str
    client: str
    received_ms: int


class Server(Protocol):
    """The work itself; `cloud.recognition.Recognition` does it for real."""

    def serve(self, reference: Reference) -> None:
        """Answer *reference* on its device's topic."""
        ...


def handler(event: Event, _context: object) -> None:
    """Serve AWS."""
    handle(event, _recognition, _results, _metrics)


def handle(
    event: Mapping[str, Any],
    server: Callable[[], Server],
    results: "Callable[[], Results]",
    metrics: Callable[[], Metrics] = NoMetrics,
) -> None:
    """Check *event* and pass it on; an error that a retry may mend is left to rise."""
    try:
        delivery = read_event(event)
    except MessageError as err:
        # Nobody to answer, and raising would have Lambda try the same twice more.
        log.error("dropped an event that is not the topic rule's: %s", err)
        return
    try:
        reference = refer(delivery)
    except MessageError as err:
        said = "rejected a payload of %s (client %s), %s: %s; it begins %s"
        log.warning(
            said, delivery.device, delivery.client, err.reason, err, excerpt(delivery.payload)
        )
        results().publish(rejection(delivery, err))
        metrics().write(REJECTED)
        return
    try:
        ready = server()
    except (ConfigError, ModelError):
        results().publish(_cannot_start(reference))
        metrics().write(REJECTED)
        raise
    ready.serve(reference)


def _cannot_start(reference: Reference) -> FrameRejected:
    return FrameRejected(
        frame_id=reference.captured.frame_id,
        device=reference.device,
        reason="internal",
        detail="the function cannot start; its log says how to mend it",
        key=reference.captured.key,
    )


@functools.cache
def _settings() -> Settings:
    return read(Settings, os.environ)


@functools.cache
def _metrics() -> Metrics:
    stack = _settings().stack
    if not stack:
        return NoMetrics()
    return EmbeddedMetrics(stack, stream=sys.stdout, now=lambda: datetime.now(UTC))


@functools.cache
def _results() -> "IotResults":
    from boto3.session import Session

    from cloud import aws
    from cloud.iot import IotResults

    return IotResults(aws.client(Session(), "iot-data", _settings().iot_url))


@functools.cache
def _recognition() -> "Recognition":
    """Build the work from its real parts: the one function here that names them."""
    from boto3.session import Session

    from cloud import aws, building
    from cloud.s3 import S3Frames

    settings, session = _settings(), Session()
    return building.recognition(
        settings,
        session,
        frames=S3Frames(aws.client(session, "s3"), settings.media_bucket),
        results=_results(),
        metrics=_metrics(),
    )


if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    # Build while Lambda starts the worker, so that no frame waits for it. What fails is tried again
    # with the first frame, for only then is there a device to tell.
    try:
        _recognition().warm_up()
    except SightlineError as err:
        log.warning("the function is not ready: %s", err)
