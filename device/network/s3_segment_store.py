"""Segments of video in S3, by botocore: whole, or larger ones in parts that are not sent twice."""

import base64
import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from device.network.s3_bucket import S3Bucket
from device.recording.lane import Lane, YieldingBody
from device.recording.segment_store import NOTES
from sightline.errors import TransportError

log = logging.getLogger(__name__)

PART_BYTES = 8 * 1024 * 1024  # S3 takes parts of 5 MiB to 5 GiB, and 10,000 of them
_GONE = {"NoSuchUpload", "InvalidPart", "EntityTooSmall"}


@dataclass(slots=True)
class _Upload:
    """How far an upload in parts has come.

    It is kept beside the segment: to ask S3 would need two rights more on the device's role, one of
    them on the whole bucket. Of parts that never become an object S3 is rid by the bucket's rule.
    """

    key: str
    size: int
    upload_id: str
    tags: list[str] = field(default_factory=list)  # the ETag of each part, from the first
    sums: list[str] = field(default_factory=list)  # its SHA-256, in base64

    @classmethod
    def read(cls, path: Path, key: str, size: int) -> "_Upload | None":
        """Read what was kept of the upload of *size* bytes to *key*; None: nothing."""
        try:
            kept = cls(**json.loads(path.read_text(encoding="utf-8")))
            fits = (kept.key, kept.size, len(kept.tags)) == (key, size, len(kept.sums))
            return kept if fits else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError):
            log.warning("%s cannot be read: that upload begins anew", path)
            return None

    def keep(self, path: Path) -> None:
        """Write it down; where the disk does not take it, another start has to send all again."""
        unfinished = path.with_suffix(".upload-part")
        try:
            unfinished.write_text(json.dumps(asdict(self)), encoding="utf-8")
            unfinished.rename(path)
        except OSError as err:
            log.debug("%s cannot be written: %s", path, err)


class S3SegmentStore:
    """See `device.recording.segment_store.SegmentStore`."""

    def __init__(self, bucket: S3Bucket, lane: Lane, *, part_bytes: int = PART_BYTES) -> None:
        """Prepare to put segments into *bucket*, giving way to the frames in *lane*."""
        self._bucket = bucket
        self._lane = lane
        self._part_bytes = part_bytes

    def put(self, key: str, path: Path) -> None:
        """See `SegmentStore.put`."""
        size = path.stat().st_size
        if size > self._part_bytes:
            self._put_parts(key, path, size)
            return
        data = path.read_bytes()
        with self._bucket.request() as client:
            client.put_object(
                Bucket=self._bucket.name,
                Key=key,
                Body=YieldingBody(data, self._lane),
                ContentType="video/mp4",
                ChecksumSHA256=_sum(data),
                IfNoneMatch="*",
            )

    def _put_parts(self, key: str, path: Path, size: int) -> None:
        notes = path.with_suffix(NOTES)
        with self._bucket.request() as client:
            upload = _Upload.read(notes, key, size)
            if upload is None:
                upload = _Upload(key=key, size=size, upload_id=self._begin(client, key))
                upload.keep(notes)
            try:
                for data in _parts(path, self._part_bytes, since=len(upload.tags)):
                    self._put_part(client, upload, data)
                    upload.keep(notes)
                self._complete(client, upload)
            except ClientError as err:
                code = err.response.get("Error", {}).get("Code")
                if code in _GONE:  # S3 has thrown the parts away, after a day by the bucket's rule
                    notes.unlink(missing_ok=True)
                    raise TransportError(
                        f"bucket {self._bucket.name}: {code}; the upload begins anew"
                    ) from err
                raise
        notes.unlink(missing_ok=True)

    def _begin(self, client: Any, key: str) -> str:
        begun = client.create_multipart_upload(
            Bucket=self._bucket.name, Key=key, ContentType="video/mp4", ChecksumAlgorithm="SHA256"
        )
        return str(begun["UploadId"])

    def _put_part(self, client: Any, upload: _Upload, data: bytes) -> None:
        checksum = _sum(data)
        done = client.upload_part(
            Bucket=self._bucket.name,
            Key=upload.key,
            UploadId=upload.upload_id,
            PartNumber=len(upload.tags) + 1,
            Body=YieldingBody(data, self._lane),
            ChecksumSHA256=checksum,
        )
        upload.tags.append(str(done["ETag"]))
        upload.sums.append(checksum)

    def _complete(self, client: Any, upload: _Upload) -> None:
        parts = [
            {"PartNumber": number, "ETag": tag, "ChecksumSHA256": checksum}
            for number, (tag, checksum) in enumerate(zip(upload.tags, upload.sums, strict=True), 1)
        ]
        client.complete_multipart_upload(
            Bucket=self._bucket.name,
            Key=upload.key,
            UploadId=upload.upload_id,
            MultipartUpload={"Parts": parts},
            IfNoneMatch="*",
        )


def _parts(path: Path, part_bytes: int, *, since: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(since * part_bytes)
        while data := file.read(part_bytes):
            yield data


def _sum(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()
