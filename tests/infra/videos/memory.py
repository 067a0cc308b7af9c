"""Buckets in this process, and a stack that answers when it is told to."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cloud.videos.naming import job_of
from infra.videos.buckets import Sent, Stored


class MemoryBucket:
    """See `infra.videos.buckets.Inbox` and `Shelf`; tells of each key that is stored."""

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        stored: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._now = now
        self.stored = stored
        self._objects: dict[str, tuple[bytes, Stored, Mapping[str, str]]] = {}
        self._lock = threading.Lock()

    def put(
        self, key: str, path: Path, *, metadata: Mapping[str, str], sent: Sent = lambda _: None
    ) -> None:
        data = path.read_bytes()
        sent(len(data))
        self.put_data(key, data, metadata=metadata)

    def put_data(self, key: str, data: bytes, *, metadata: Mapping[str, str] | None = None) -> None:
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        stored = Stored(etag=etag, size=len(data), stored_at=self._now())
        with self._lock:
            self._objects[key] = data, stored, dict(metadata or {})
        self.stored(key)

    def metadata(self, key: str) -> Mapping[str, str]:
        return self._objects[key][2]

    def find(self, key: str) -> Stored | None:
        found = self._objects.get(key)
        return found[1] if found else None

    def get(self, key: str) -> bytes | None:
        found = self._objects.get(key)
        return found[0] if found else None

    def list(self, prefix: str) -> Mapping[str, Stored]:
        with self._lock:
            return {
                key: stored
                for key, (_, stored, _) in self._objects.items()
                if key.startswith(prefix)
            }

    def delete(self, keys: Iterable[str]) -> None:
        with self._lock:
            for key in keys:
                self._objects.pop(key, None)


def document(key: str, data: bytes, at: datetime, **fields: Any) -> dict[str, Any]:
    """What the stack writes of a video in which nobody is, unless *fields* say otherwise."""
    when = at.isoformat().replace("+00:00", "Z")
    return {
        "video": key,
        "name": key.rpartition(".")[0] or key,
        "status": "complete",
        "reason": None,
        "detail": None,
        "problems": [],
        "job": job_of(key, when + hashlib.sha256(data).hexdigest()),
        "device": "video-x",
        "uploaded_at": when,
        "finished_at": when,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "settings": {"sampling": "every:0.5"},
        "settings_sha256": "",
        "engine": "dlib-resnet@1",
        "gallery": [1],
        "film": None,
        "frames": {"sampled": 2, "recognized": 2, "rejected": 0, "missing": 0},
        "people": [],
        "timings_ms": {"download": 1.0, "split": 2.0, "recognize": 3.0, "whole": 9.0},
        "sightings": [],
        "rejections": [],
        **fields,
    }


class MemoryStack:
    """Three buckets, and an answer to each video as `answer` says it."""

    def __init__(self, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self.input = MemoryBucket(now=now)
        self.stage = MemoryBucket(now=now)
        self.output = MemoryBucket(now=now)

    def answer(
        self,
        key: str,
        *,
        names: Iterable[str] = (),
        still: bytes = b"jpeg",
        leave_out: Iterable[str] = (),
        **fields: Any,
    ) -> dict[str, Any]:
        """Write what the stack would once it is done with *key*, less the endings *leave_out*."""
        data = self.input.get(key)
        stored = self.input.find(key)
        assert data is not None
        assert stored is not None
        said = document(key, data, stored.stored_at, **fields)
        name = said["name"]
        outputs = {
            ".jpg": still,
            ".json": json.dumps(said).encode(),
            ".csv": b"id,name\n",
            ".txt": "".join(f"{each}\n" for each in names).encode(),
        }
        if said["status"] == "refused":
            outputs = {".json": outputs[".json"]}
        for ending in leave_out:
            outputs.pop(ending, None)
        for ending, content in outputs.items():
            (self.stage if ending == ".jpg" else self.output).put_data(f"{name}{ending}", content)
        return said
