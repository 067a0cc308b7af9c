"""Lambda: say who is in the stills of a video, and write the outputs when all are done.

An event source mapping in `infra/template.yaml` hands this a message of the queue at a time. What a
retry may mend is left to rise: the queue gives the message again, and after its last try to the
dead letters.
"""

import functools
import logging
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from cloud.environment import read
from cloud.videos.chunk import Chunk, decode
from cloud.videos.settings import VideoRecognitionSettings
from sightline.errors import MessageError, SightlineError

if TYPE_CHECKING:  # imported where it is built: the networks' libraries come with it
    from cloud.recognition import Recognition
    from cloud.videos.serving import Serving
    from sightline.messages import FrameRecognized, FrameRejected

log = logging.getLogger(__name__)

# Nobody waits for one still of a video: that much later who was added is known, and forgotten.
GALLERY_FRESH_FOR_S = 2.0

_THREADS = 3  # one in the networks, one before and one behind them


class Server(Protocol):
    """The work itself; `cloud.videos.serving.Serving` does it for real."""

    def serve(self, chunk: Chunk, *, again: bool) -> None:
        """Answer the stills of *chunk*; *again*: the queue has given it before."""
        ...


def handler(event: Mapping[str, Any], _context: object) -> None:
    """Serve AWS."""
    handle(event, _serving)


def handle(event: Mapping[str, Any], server: Callable[[], Server]) -> None:
    """Check *event* and pass it on; an error that a retry may mend is left to rise."""
    for body, again in _bodies(event):
        try:
            chunk = decode(body)
        except MessageError as err:
            # Raising would have the queue give the same again.
            log.error("dropped a message that is no chunk: %s", err)
            continue
        server().serve(chunk, again=again)


def _bodies(event: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """Read each message's body, and whether the queue has given it before."""
    try:
        messages = [
            (record["body"], record.get("attributes", {}).get("ApproximateReceiveCount") != "1")
            for record in event["Records"]
        ]
    except (AttributeError, KeyError, TypeError) as err:
        log.error("dropped an event that is not the queue's: %r", err)
        return []
    return [(body, again) for body, again in messages if isinstance(body, str)]


class _Nobody:
    """Hears no results: the device is virtual."""

    def publish(self, message: "FrameRecognized | FrameRejected") -> None:
        """Do nothing."""


@functools.cache
def _settings() -> VideoRecognitionSettings:
    return read(VideoRecognitionSettings, os.environ)


@functools.cache
def _recognition() -> "Recognition":
    from boto3.session import Session

    from cloud import aws, building
    from cloud.metrics import NoMetrics
    from cloud.s3 import S3Frames

    settings, session = _settings(), Session()
    return building.recognition(
        settings,
        session,
        frames=S3Frames(aws.client(session, "s3"), settings.stage_bucket),
        results=_Nobody(),
        metrics=NoMetrics(),
        # The split function alone may write to the queue, and a chunk holds its own stills only.
        owns=lambda _device, _key: True,
        gallery_fresh_for_s=GALLERY_FRESH_FOR_S,
    )


@functools.cache
def _serving() -> "Serving":
    """Build the work from its real parts: with `_recognition`, what here names them."""
    from concurrent.futures import ThreadPoolExecutor

    from boto3.session import Session

    from cloud import aws
    from cloud.sightings_table import SightingsTable
    from cloud.videos.finishing import Finishing, FinishingPorts
    from cloud.videos.functions import LambdaSplitters
    from cloud.videos.ledger_table import LedgerTable
    from cloud.videos.s3 import S3Objects
    from cloud.videos.serving import Serving, ServingPorts

    settings, session = _settings(), Session()
    s3, dynamo = aws.client(session, "s3"), aws.client(session, "dynamodb")
    ledger = LedgerTable(dynamo, settings.videos_table)
    finishing = FinishingPorts(
        stage=S3Objects(s3, settings.stage_bucket),
        outputs=S3Objects(s3, settings.output_bucket),
        ledger=ledger,
        sightings=SightingsTable(dynamo, settings.sightings_table),
    )
    ports = ServingPorts(
        ledger=ledger,
        recognition=_recognition(),
        splitters=LambdaSplitters(aws.client(session, "lambda"), settings.split_function),
        finishing=Finishing(finishing, now=_now),
        pool=ThreadPoolExecutor(_THREADS),
    )
    return Serving(ports, now=_now)


def _now() -> datetime:
    return datetime.now(UTC)


if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    # Build while Lambda starts the worker. What fails is tried again with the first chunk.
    try:
        _recognition().warm_up()
    except SightlineError as err:
        log.warning("the function is not ready: %s", err)
