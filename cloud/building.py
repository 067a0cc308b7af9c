"""Joins the real parts of what recognises, for the functions' own files.

Heavy modules are imported inside: a function that seldom recognises starts without them.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cloud import aws
from cloud.settings import RecognitionSettings
from sightline import keys

if TYPE_CHECKING:
    from boto3.session import Session

    from cloud.fetching import FrameStore
    from cloud.metrics import Metrics
    from cloud.people_table import PeopleTable
    from cloud.recognition import Recognition, Results
    from sightline.faces.recognizer import Recognizer


def register(settings: RecognitionSettings, session: "Session") -> "PeopleTable":
    """Open the register of who is enrolled."""
    from cloud.people_table import PeopleTable, TableNames

    names = TableNames(
        people=settings.people_table, faces=settings.faces_table, meta=settings.meta_table
    )
    return PeopleTable(aws.client(session, "dynamodb"), names, sleep=time.sleep)


def recognizer(settings: RecognitionSettings) -> "Recognizer":
    """Load the networks.

    Raises:
        ModelError: A network is missing, or not what it should be.
    """
    from sightline.faces.loading import load_recognizer

    return load_recognizer(
        settings.engine,
        folder=settings.models,
        smallest_face_px=settings.smallest_face_px,
        threads=settings.threads,
    )


def recognition(
    settings: RecognitionSettings,
    session: "Session",
    *,
    frames: "FrameStore",
    results: "Results",
    metrics: "Metrics",
    owns: Callable[[str, str], bool] = keys.is_frame_of,
    networks: "Recognizer | None" = None,
    gallery_fresh_for_s: float = 0,
) -> "Recognition":
    """Load the networks, and join them with the tables.

    Args:
        settings: Which engine, which tables.
        session: Whose rights.
        frames: Where the frames of the references lie.
        results: Where `Recognition.serve` sends its answers.
        metrics: What is counted of each.
        owns: Whether a device may refer to a key.
        networks: What `recognizer` loaded, where it is used for something else, too.
        gallery_fresh_for_s: See `cloud.gallery.GalleryCache`.

    Raises:
        ModelError: A network is missing, or not what it should be.
    """
    from cloud.gallery import GalleryCache
    from cloud.recognition import Ports, Recognition
    from cloud.sightings_table import SightingsTable

    seeing = recognizer(settings) if networks is None else networks
    engine, folder = seeing.engine, settings.gallery_folder
    ports = Ports(
        frames=frames,
        sightings=SightingsTable(aws.client(session, "dynamodb"), settings.sightings_table),
        results=results,
        gallery=GalleryCache(
            register(settings, session),
            engine=engine.id,
            dimension=engine.dimension,
            file=folder / f"{engine.id}.gallery" if folder else None,
            fresh_for_s=gallery_fresh_for_s,
        ),
        recognizer=seeing,
        engine=engine,
        metrics=metrics,
    )
    return Recognition(
        ports,
        sighting_days=settings.sighting_days,
        longest_side_px=settings.longest_side_px,
        owns=owns,
        now=lambda: datetime.now(UTC),
        sleep=time.sleep,
    )
