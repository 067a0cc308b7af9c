"""Lambda: the HTTP API.

API Gateway's HTTP API invokes this synchronously, with its payload format 2.0. Nothing is opened
or loaded before the first request that needs it: one that only lists people waits for no networks.
"""

import functools
import os
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cloud.environment import read
from cloud.http.application import Services, application
from cloud.http.gateway import Gateway
from cloud.http.settings import ApiSettings

if TYPE_CHECKING:  # imported where it is built: boto3 and the networks' libraries come with it
    from boto3.session import Session

    from cloud.aws import Client
    from cloud.enrolment import Examined, Photo
    from cloud.http.keys_table import KeysTable
    from cloud.http.last_words import LastWords
    from cloud.http.media import S3Media, S3Videos
    from cloud.people import People
    from cloud.people_table import PeopleTable
    from cloud.recognition import Recognition
    from cloud.sightings_table import SightingsTable
    from cloud.videos.ledger_table import LedgerTable
    from sightline.faces.recognizer import Recognizer
    from sightline.messages import FrameRecognized, FrameRejected


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Serve AWS."""
    return _gateway()(event, context)


def _now() -> datetime:
    return datetime.now(UTC)


@functools.cache
def _settings() -> ApiSettings:
    return read(ApiSettings, os.environ)


@functools.cache
def _gateway() -> Gateway:
    services = Services(
        keys=_keys,
        media=_media,
        photos=_media,
        recognition=_recognition,
        videos=_videos,
        ledger=_ledger,
        people=_people,
        register=_register,
        sightings=_sightings,
        statuses=_statuses,
    )
    per_minute = _settings().requests_per_minute
    return Gateway(application(services, requests_per_minute=per_minute, now=_now))


@functools.cache
def _session() -> "Session":
    from boto3.session import Session

    return Session()


@functools.cache
def _client(service: str, url: str | None = None) -> "Client":
    from cloud import aws

    return aws.client(_session(), service, url)


@functools.cache
def _keys() -> "KeysTable":
    from cloud.http.keys_table import KeysTable

    return KeysTable(_client("dynamodb"), _settings().keys_table)


@functools.cache
def _media() -> "S3Media":
    from cloud.http.media import S3Media

    return S3Media(_client("s3"), _settings().media_bucket)


@functools.cache
def _videos() -> "S3Videos":
    from cloud.http.media import S3Videos, signer

    settings = _settings()
    buckets = {"inputs": settings.input_bucket, "outputs": settings.output_bucket}
    return S3Videos(signer(_session()), **buckets)


@functools.cache
def _ledger() -> "LedgerTable":
    from cloud.videos.ledger_table import LedgerTable

    return LedgerTable(_client("dynamodb"), _settings().videos_table)


@functools.cache
def _sightings() -> "SightingsTable":
    from cloud.sightings_table import SightingsTable

    return SightingsTable(_client("dynamodb"), _settings().sightings_table)


@functools.cache
def _statuses() -> "LastWords":
    from cloud.http.last_words import LastWords

    return LastWords(_client("iot-data", _settings().iot_url))


@functools.cache
def _register() -> "PeopleTable":
    from cloud import building

    return building.register(_settings(), _session())


@functools.cache
def _people() -> "People":
    from cloud.people import People

    return People(_register(), examiner=_LateExaminer(), now=_now)


@functools.cache
def _networks() -> "Recognizer":
    """Load the networks once, for frames and photos."""
    from cloud import building

    return building.recognizer(_settings())


@functools.cache
def _recognition() -> "Recognition":
    from cloud import building
    from cloud.metrics import EmbeddedMetrics, NoMetrics

    stack = _settings().stack
    metrics = EmbeddedMetrics(stack, stream=sys.stdout, now=_now) if stack else NoMetrics()
    return building.recognition(
        _settings(),
        _session(),
        frames=_media(),
        results=_Nobody(),
        metrics=metrics,
        networks=_networks(),
    )


class _Nobody:
    """Hears results: the caller is answered, and no device."""

    def publish(self, message: "FrameRecognized | FrameRejected") -> None:
        """See `cloud.recognition.Results`."""
        raise NotImplementedError(f"the API publishes nothing, of {message.device} either")


class _LateExaminer:
    """Loads the networks with the first photo, for most changes of people have none."""

    def examine(
        self, person_id: str, photos: "Iterable[Photo]", *, force: bool = False
    ) -> "Examined":
        """See `cloud.enrolment.Examiner`."""
        from cloud.enrolment import Enrolment

        networks = _networks()
        enrolment = Enrolment(
            recognizer=networks, engine=networks.engine, register=_register(), now=_now
        )
        return enrolment.examine(person_id, photos, force=force)
