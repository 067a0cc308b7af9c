"""Lambda: split each video that is put into the input bucket into stills.

S3's notification in `infra/template.yaml` invokes this asynchronously, and so does it itself and
`cloud.recognize_video`, to go on with a video. What a retry may mend is left to rise: Lambda tries
again, and goes on where the ledger says. This runs in an image without any network: no OpenCV, no
ONNX Runtime.
"""

import functools
import logging
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from cloud.environment import read
from cloud.videos.handover import Continuation, read_continuation
from cloud.videos.settings import SplitSettings
from cloud.videos.upload import Upload, read_event
from sightline.errors import MessageError

if TYPE_CHECKING:
    from cloud.videos.splitting import Splitting

log = logging.getLogger(__name__)

_FUNCTION = "AWS_LAMBDA_FUNCTION_NAME"  # Lambda sets it
_THREADS = 4  # fewer than a client has connections


class Context(Protocol):
    """What Lambda says about an invocation."""

    def get_remaining_time_in_millis(self) -> int:
        """Tell how long it may still take."""
        ...


class Splitter(Protocol):
    """The work itself; `cloud.videos.splitting.Splitting` does it for real."""

    def split(self, upload: Upload, time_left_s: Callable[[], float]) -> None:
        """Split a new upload."""
        ...

    def go_on(self, continuation: Continuation, time_left_s: Callable[[], float]) -> None:
        """Go on with a video that was split up to some point."""
        ...


def handler(event: Mapping[str, Any], context: Context) -> None:
    """Serve AWS."""
    handle(event, context, _splitting, bucket=_settings().input_bucket)


def handle(
    event: Mapping[str, Any], context: Context, splitter: Callable[[], Splitter], *, bucket: str
) -> None:
    """Check *event* and pass it on; an error that a retry may mend is left to rise."""

    def time_left_s() -> float:
        return context.get_remaining_time_in_millis() / 1000

    try:
        continuation = read_continuation(event)
        uploads = () if continuation else read_event(event, bucket)
    except MessageError as err:
        # Raising would have Lambda try the same twice more.
        log.error("dropped an event that is neither S3's nor ours: %s", err)
        return
    if continuation is not None:
        splitter().go_on(continuation, time_left_s)
    for upload in uploads:
        splitter().split(upload, time_left_s)


@functools.cache
def _settings() -> SplitSettings:
    return read(SplitSettings, os.environ)


@functools.cache
def _splitting() -> "Splitting":
    """Build the work from its real parts: the one function here that names them."""
    from concurrent.futures import ThreadPoolExecutor

    from boto3.session import Session

    from cloud import aws
    from cloud.videos.film import open_film
    from cloud.videos.functions import LambdaSplitters
    from cloud.videos.ledger_table import LedgerTable
    from cloud.videos.s3 import S3Objects, S3Uploads
    from cloud.videos.sending import SendingPorts
    from cloud.videos.splitting import Limits, Splitting, SplittingPorts
    from cloud.videos.sqs import SqsChunks
    from cloud.videos.still_jpeg import encode_jpeg

    settings, session = _settings(), Session()
    s3 = aws.client(session, "s3")
    sending = SendingPorts(
        stage=S3Objects(s3, settings.stage_bucket),
        ledger=LedgerTable(aws.client(session, "dynamodb"), settings.videos_table),
        chunks=SqsChunks(aws.client(session, "sqs"), settings.video_queue_url),
        splitters=LambdaSplitters(aws.client(session, "lambda"), os.environ.get(_FUNCTION, "")),
        encode=encode_jpeg,
        pool=ThreadPoolExecutor(_THREADS),
    )
    ports = SplittingPorts(
        uploads=S3Uploads(s3, settings.input_bucket),
        outputs=S3Objects(s3, settings.output_bucket),
        open_film=open_film,
        sending=sending,
    )
    limits = Limits(
        sampling=settings.sampling, max_bytes=settings.max_bytes, days=settings.video_days
    )
    return Splitting(ports, limits, now=lambda: datetime.now(UTC))
