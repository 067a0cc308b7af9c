"""Lambda: say who is in the stills of a video, and write the outputs when all are done.

An event source mapping in `infra/template.yaml` hands this some messages of the queue at a time,
each a chunk. They are served side by side, so that the networks need not wait between them. What a
retry may mend the queue gives again, and after its last try to the dead letters; the chunk beside
it is done all the same.
"""

import functools
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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

_AT_ONCE = 2  # chunks: while the last stills of one are kept and counted, the next is begun
_THREADS = 3  # for their stills: one in the networks, and two before them


class Server(Protocol):
    """The work itself; `cloud.videos.serving.Serving` does it for real."""

    def serve(self, chunk: Chunk, *, again: bool) -> None:
        """Answer the stills of *chunk*; *again*: the queue has given it before."""
        ...


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Serve AWS."""
    return handle(event, _serving)


def handle(event: Mapping[str, Any], server: Callable[[], Server]) -> dict[str, Any]:
    """Serve each chunk of *event*, and tell the queue which of them it is to give again.

    Raises:
        Exception: None of them could be served, which counts as the function's own failure; the
            queue gives all of them again. This is the first one's.
    """
    given = list(_given(event))
    if not given:
        return _again([])
    serve = server().serve
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        futures = [pool.submit(serve, each.chunk, again=each.again) for each in given]
    failed = []
    for each, future in zip(given, futures, strict=True):
        if err := future.exception():
            number, job = each.chunk.chunk, each.chunk.job
            log.error("chunk %d of %s comes again: %s", number, job, err, exc_info=err)
            failed.append(each.message)
    if len(failed) == len(given):
        futures[0].result()
    return _again(failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """A message of the queue."""

    message: str  # its ID
    chunk: Chunk
    again: bool  # it was given before


def _given(event: Mapping[str, Any]) -> Iterator[_Given]:
    """Read all messages; what is none is dropped, for it would only be given again."""
    try:
        for record in event["Records"]:
            try:
                received = record.get("attributes", {}).get("ApproximateReceiveCount")
                message, chunk = str(record["messageId"]), decode(record["body"])
                yield _Given(message=message, chunk=chunk, again=received != "1")
            except (AttributeError, KeyError, TypeError, MessageError) as err:
                log.error("dropped a message that is no chunk: %r", err)
    except (KeyError, TypeError) as err:
        log.error("dropped an event that is not the queue's: %r", err)


def _again(messages: Sequence[str]) -> dict[str, Any]:
    """Answer the queue; what is not among *messages* is done."""
    return {"batchItemFailures": [{"itemIdentifier": each} for each in messages]}


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
