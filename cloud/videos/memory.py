"""The video chain's outside, inside the process: for dry runs and tests.

Each passes the laws of the port that it stands for. Threads may share them.
"""

import hashlib
import threading
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cloud.videos.chunk import Chunk, decode, encode
from cloud.videos.handover import Continuation
from cloud.videos.ledger import ConflictError, MarkedError, Marker
from cloud.videos.objects import ReplacedError, UploadFacts
from cloud.videos.video import Video
from sightline.errors import MissingError


class MemoryLedger:
    """See `cloud.videos.ledger.Ledger`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._videos: dict[str, Video] = {}
        self._markers: dict[tuple[str, str, int], Marker] = {}

    def find(self, name: str) -> Video | None:
        """See `Ledger.find`."""
        with self._lock:
            return self._videos.get(name)

    def write(self, video: Video, *, expected: int | None, marker: Marker | None = None) -> None:
        """See `Ledger.write`."""
        with self._lock:
            if marker is not None and (video.name, video.job, marker.chunk) in self._markers:
                raise MarkedError
            stands = self._videos.get(video.name)
            if (stands.revision if stands else None) != expected:
                raise ConflictError
            self._videos[video.name] = video
            if marker is not None:
                self._markers[video.name, video.job, marker.chunk] = marker

    def markers(self, video: Video) -> Iterator[Marker]:
        """See `Ledger.markers`."""
        with self._lock:
            found = [
                marker
                for (name, job, _), marker in self._markers.items()
                if (name, job) == (video.name, video.job)
            ]
        return iter(sorted(found, key=lambda marker: marker.chunk))

    def unchanged_since(self, at: datetime) -> Iterator[str]:
        """See `Ledger.unchanged_since`."""
        with self._lock:
            found = [v for v in self._videos.values() if v.is_open and v.changed_at <= at]
        return iter([v.name for v in sorted(found, key=lambda v: v.changed_at)])

    def last_served(self, since: datetime) -> Video | None:
        """See `Ledger.last_served`."""
        with self._lock:
            found = [v for v in self._videos.values() if v.chunks_done and v.changed_at >= since]
        done = [video for video in found if video.outcome == "done"]
        served = done or [video for video in found if video.is_open]
        return max(served, key=lambda video: video.changed_at, default=None)


class MemoryUploads:
    """See `cloud.videos.objects.Uploads`."""

    def __init__(self) -> None:
        self._objects: dict[str, tuple[bytes, str | None]] = {}
        self.fetched = 0

    def put(self, key: str, data: bytes, *, sampling: str | None = None) -> str:
        """Upload a file, as anybody does; return its ETag."""
        self._objects[key] = data, sampling
        return _etag(data)

    def delete(self, key: str) -> None:
        """Delete an upload, as anybody may."""
        self._objects.pop(key, None)

    def facts(self, key: str, etag: str) -> UploadFacts:
        """See `Uploads.facts`."""
        data, sampling = self._get(key, etag)
        return UploadFacts(bytes=len(data), sampling=sampling)

    def fetch(self, key: str, etag: str, path: Path) -> str:
        """See `Uploads.fetch`."""
        data, _ = self._get(key, etag)
        self.fetched += 1
        path.write_bytes(data)
        return hashlib.sha256(data).hexdigest()

    def _get(self, key: str, etag: str) -> tuple[bytes, str | None]:
        found = self._objects.get(key)
        if found is None:
            raise MissingError(f"there is no object {key!r}")
        if _etag(found[0]) != etag:
            raise ReplacedError(f"another object lies under {key!r} now")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """What lies under a key."""

    data: bytes
    content_type: str
    stamp: str


class MemoryObjects:
    """See `cloud.videos.objects.Objects`; a `cloud.fetching.FrameStore` too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.stored: dict[str, StoredObject] = {}

    def put(self, key: str, body: bytes | Path, *, content_type: str, stamp: str) -> bool:
        """See `Objects.put`."""
        data = body.read_bytes() if isinstance(body, Path) else body
        with self._lock:
            there = self.stored.get(key)
            if there is not None and there.stamp > stamp:
                return False
            self.stored[key] = StoredObject(data=data, content_type=content_type, stamp=stamp)
        return True

    def get(self, key: str) -> bytes:
        """See `Objects.get`."""
        try:
            return self.stored[key].data
        except KeyError as err:
            raise MissingError(f"there is no object {key!r}") from err

    def remove(self, keys: Collection[str], *, before: str | None = None) -> None:
        """See `Objects.remove`."""
        with self._lock:
            for key in list(keys):
                there = self.stored.get(key)
                if there is not None and (before is None or there.stamp < before):
                    del self.stored[key]

    def names(self, folder: str) -> Iterator[str]:
        """See `Objects.names`."""
        with self._lock:
            below = [key for key in self.stored if key.startswith(folder)]
        return iter(sorted((k for k in below if "/" not in k[len(folder) :]), key=str.encode))


class MemoryChunks:
    """See `cloud.videos.handover.Chunks`; whoever runs it takes them out again."""

    def __init__(self) -> None:
        self.waiting: deque[Chunk] = deque()

    def send(self, chunk: Chunk) -> None:
        """See `Chunks.send`."""
        self.waiting.append(decode(encode(chunk)))


class MemorySplitters:
    """See `cloud.videos.handover.Splitters`; whoever runs it takes them out again."""

    def __init__(self) -> None:
        self.waiting: deque[Continuation] = deque()

    def go_on(self, continuation: Continuation) -> None:
        """See `Splitters.go_on`."""
        self.waiting.append(continuation)


def _etag(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
