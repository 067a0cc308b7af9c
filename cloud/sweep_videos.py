"""Lambda: finish the videos that nobody else does.

A schedule in `infra/template.yaml` invokes this every few minutes.
"""

import functools
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cloud.environment import read
from cloud.videos.settings import SweepSettings

if TYPE_CHECKING:
    from cloud.videos.sweeping import Sweeping


def handler(_event: object, _context: object) -> None:
    """Serve AWS; what cannot be finished now is tried again by the next."""
    _sweeping().sweep()


@functools.cache
def _sweeping() -> "Sweeping":
    """Build the work from its real parts: the one function here that names them."""
    from boto3.session import Session

    from cloud import aws
    from cloud.sightings_table import SightingsTable
    from cloud.videos.finishing import Finishing, FinishingPorts
    from cloud.videos.ledger_table import LedgerTable
    from cloud.videos.s3 import S3Objects
    from cloud.videos.sweeping import Sweeping

    settings, session = read(SweepSettings, os.environ), Session()
    s3, dynamo = aws.client(session, "s3"), aws.client(session, "dynamodb")
    ledger = LedgerTable(dynamo, settings.videos_table)
    ports = FinishingPorts(
        stage=S3Objects(s3, settings.stage_bucket),
        outputs=S3Objects(s3, settings.output_bucket),
        ledger=ledger,
        sightings=SightingsTable(dynamo, settings.sightings_table),
    )
    finishing = Finishing(ports, now=_now)
    return Sweeping(ledger, finishing, stall_s=settings.stall_minutes * 60, now=_now)


def _now() -> datetime:
    return datetime.now(UTC)
