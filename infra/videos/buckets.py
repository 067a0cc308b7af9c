"""The buckets of the video chain, as their user sees them."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError

from infra.account import error_code, translated
from sightline.errors import ConfigError

Sent = Callable[[int], None]  # told the bytes that went since it was told last; any thread

_MISSING = ("404", "NoSuchKey", "NotFound")
_DELETED_AT_ONCE = 1000  # S3's limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An object, less what is in it."""

    etag: str
    size: int
    stored_at: datetime  # by the bucket's clock; S3 gives whole seconds


class Inbox(Protocol):
    """Where files go."""

    def put(
        self, key: str, path: Path, *, metadata: Mapping[str, str], sent: Sent = lambda _: None
    ) -> None:
        """Store a file, under whatever metadata.

        Raises:
            ConfigError: The bucket or a right is missing, or the file changed meanwhile.
            TransportError: The bucket is out of reach.
        """
        ...

    def find(self, key: str) -> Stored | None:
        """Look an object up; None: there is none."""
        ...


class Shelf(Protocol):
    """Where results lie. All may raise ConfigError and TransportError, as `Inbox.put`."""

    def get(self, key: str) -> bytes | None:
        """Fetch an object; None: there is none."""
        ...

    def find(self, key: str) -> Stored | None:
        """Look an object up; None: there is none."""
        ...

    def list(self, prefix: str) -> Mapping[str, Stored]:
        """Give all objects whose key starts with *prefix*, by key."""
        ...


class S3Bucket:
    """See `Inbox` and `Shelf`. Threads: any."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self.name = bucket

    def put(
        self, key: str, path: Path, *, metadata: Mapping[str, str], sent: Sent = lambda _: None
    ) -> None:
        """See `Inbox.put`; a large file goes in parts, several at once."""
        doing = f"uploading {path} to the bucket {self.name}"
        try:
            with translated(doing):
                self._client.upload_file(
                    str(path),
                    self.name,
                    key,
                    ExtraArgs={"Metadata": dict(metadata)},
                    Callback=sent,
                )
        except S3UploadFailedError as err:  # hides the ClientError it was raised from
            cause = err.__context__
            if not isinstance(cause, ClientError):
                raise ConfigError(f"{doing}: {err}") from err
            with translated(doing):
                raise cause from err

    def find(self, key: str) -> Stored | None:
        """See `Inbox.find`."""
        with translated(f"looking {key!r} up in the bucket {self.name}"):
            try:
                answer = self._client.head_object(Bucket=self.name, Key=key)
            except ClientError as err:
                if error_code(err) in _MISSING:
                    return None
                raise
        return Stored(
            etag=answer["ETag"].strip('"'),
            size=int(answer["ContentLength"]),
            stored_at=answer["LastModified"],
        )

    def get(self, key: str) -> bytes | None:
        """See `Shelf.get`."""
        with translated(f"getting {key!r} from the bucket {self.name}"):
            try:
                answer = self._client.get_object(Bucket=self.name, Key=key)
                # Not `with` the body itself: that gives urllib3's, which notices no early end.
                with closing(answer["Body"]) as body:
                    data: bytes = body.read()
            except ClientError as err:
                if error_code(err) in _MISSING:
                    return None
                raise
        return data

    def list(self, prefix: str) -> Mapping[str, Stored]:
        """See `Shelf.list`."""
        pages = self._client.get_paginator("list_objects_v2")
        with translated(f"listing the bucket {self.name}"):
            return {
                row["Key"]: Stored(
                    etag=row["ETag"].strip('"'), size=row["Size"], stored_at=row["LastModified"]
                )
                for page in pages.paginate(Bucket=self.name, Prefix=prefix)
                for row in page.get("Contents", ())
            }

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; those that are not there count as deleted.

        Raises:
            ConfigError: One cannot be deleted.
            TransportError: The bucket is out of reach.
        """
        rows = [{"Key": key} for key in keys]
        for first in range(0, len(rows), _DELETED_AT_ONCE):
            batch = {"Objects": rows[first : first + _DELETED_AT_ONCE], "Quiet": True}
            with translated(f"deleting from the bucket {self.name}"):
                answer = self._client.delete_objects(Bucket=self.name, Delete=batch)
            for error in answer.get("Errors", ()):
                raise ConfigError(
                    f"deleting {error['Key']!r} from the bucket {self.name}: {error['Code']}"
                )
