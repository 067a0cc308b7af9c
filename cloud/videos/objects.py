"""What the video chain keeps in buckets, as ports.

Several uploads under one name write the same keys, and one that is superseded may not know yet. So
each object carries a stamp that sorts: what is older never takes the place of what is newer.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sightline.errors import TransportError

JPEG = "image/jpeg"
JSON = "application/json"
CSV = "text/csv; charset=utf-8"
TXT = "text/plain; charset=utf-8"


class ReplacedError(TransportError):
    """Another object lies under the key now than the one that was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadFacts:
    """What can be known of an upload before it is read."""

    bytes: int
    sampling: str | None  # as whoever uploaded it wants it; see `cloud.videos.sampling`


class Uploads(Protocol):
    """The input bucket; `cloud.videos.s3.S3Uploads`, and `cloud.videos.memory.MemoryUploads`."""

    def facts(self, key: str, etag: str) -> UploadFacts:
        """Look at an upload without reading it.

        Raises:
            MissingError: It is gone.
            ReplacedError: Another lies there.
            TransportError: The bucket did not answer.
        """
        ...

    def fetch(self, key: str, etag: str, path: Path) -> str:
        """Read an upload into the file *path*, and return its SHA-256 in hexadecimal.

        Raises:
            MissingError: It is gone.
            ReplacedError: Another lies there.
            TransportError: The bucket did not answer.
        """
        ...


class Objects(Protocol):
    """Stage-1, or the outputs; `cloud.videos.s3.S3Objects`, `cloud.videos.memory.MemoryObjects`."""

    def put(self, key: str, body: bytes | Path, *, content_type: str, stamp: str) -> bool:
        """Store *body*, unless what lies there has a later stamp; tell whether it was stored.

        Threads may do that at once.

        Args:
            key: Where.
            body: The bytes, or a file that holds them.
            content_type: What they are.
            stamp: At most 200 characters of ASCII.

        Raises:
            TransportError: The bucket did not answer.
        """
        ...

    def get(self, key: str) -> bytes:
        """Read an object.

        Raises:
            MissingError: There is none.
            TransportError: The bucket did not answer.
        """
        ...

    def remove(self, keys: Collection[str], *, before: str | None = None) -> None:
        """Delete what lies under *keys*, if anything does.

        Args:
            keys: Whose.
            before: Delete what has an earlier stamp only, for two requests a key; None: all.

        Raises:
            TransportError: The bucket did not answer.
        """
        ...

    def names(self, folder: str) -> Iterator[str]:
        """Name what lies right below *folder*, which ends in a slash, but not deeper.

        Raises:
            TransportError: The bucket did not answer.
        """
        ...
