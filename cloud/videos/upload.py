"""Uploads, as S3 tells of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from cloud.videos import naming
from sightline.errors import MessageError
from sightline.wire import read_time

_CREATED = "ObjectCreated:"
_SEQUENCER = re.compile(r"[0-9A-Fa-f]{0,64}")
_ETAG = re.compile(r"[0-9A-Za-z-]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One object that was put into the input bucket."""

    key: str
    bytes: int
    etag: str  # without its quotes
    uploaded_at: datetime
    sequencer: str = ""

    def __post_init__(self) -> None:
        if not self.key or self.bytes < 0:
            raise MessageError(f"key {self.key[:60]!r}, {self.bytes} bytes: no object's")
        if self.uploaded_at.tzinfo != UTC:
            raise MessageError(f"eventTime: {self.uploaded_at} is not in UTC")
        if not _ETAG.fullmatch(self.etag):
            raise MessageError(f"eTag: {self.etag[:60]!r} is none")
        if not _SEQUENCER.fullmatch(self.sequencer):
            raise MessageError(f"sequencer: {self.sequencer[:60]!r} is not hexadecimal")

    @property
    def name(self) -> str:
        """Of the video; see `cloud.videos.naming.name_of`."""
        return naming.name_of(self.key)

    @property
    def order(self) -> str:
        """A text that sorts uploads under one name as they came; the same event gives the same.

        Sequencers are of different lengths, and are compared as if zeros stood behind the shorter.
        What comes after them only decides the same way each time between two that came together.
        Source: Amazon S3 user guide, "Event message structure".
        """
        at = self.uploaded_at.isoformat(timespec="microseconds")[:26]
        place = naming.job_of(self.key, self.etag)[:8]  # a.mp4 and a.mov in the same millisecond
        return f"{at}#{self.sequencer.upper():0<32}#{place}"

    @property
    def job(self) -> str:
        """Identifies this upload under its name."""
        return naming.job_of(self.name, self.order)


def read_event(event: Mapping[str, Any], bucket: str) -> tuple[Upload, ...]:
    """Read S3's notification; what is not about a file put into *bucket* is left out.

    Raises:
        MessageError: It is no notification.
    """
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list):
        if isinstance(event, Mapping) and event.get("Event") == "s3:TestEvent":
            return ()  # S3 sends one when the notification is set up
        raise MessageError("the event is no notification of S3: it has no Records")
    uploads = (_read_record(record, bucket) for record in records)
    return tuple(upload for upload in uploads if upload is not None)


def _read_record(record: Any, bucket: str) -> Upload | None:
    try:
        s3, name = record["s3"], str(record["eventName"])
        entry = s3["object"]
        # Consoles make a folder by an empty object whose key ends in a slash.
        key = unquote_plus(entry["key"], errors="strict")
        if not name.removeprefix("s3:").startswith(_CREATED) or key.endswith("/"):
            return None
        if s3["bucket"]["name"] != bucket:
            raise MessageError(f"the bucket {s3['bucket']['name']!r} is not the input bucket")
        return Upload(
            key=key,
            bytes=int(entry.get("size", 0)),
            etag=str(entry["eTag"]).strip('"'),
            uploaded_at=read_time(record["eventTime"], "eventTime"),
            sequencer=str(entry.get("sequencer", "")),
        )
    except MessageError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as err:
        raise MessageError(f"a record is not S3's: {err!r}") from err
