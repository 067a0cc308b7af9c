"""The video chain's buckets in S3."""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from cloud.aws import Client, calling, code
from cloud.videos.objects import ReplacedError, UploadFacts
from sightline.errors import MissingError, TransportError

SAMPLING = "sightline-sampling"  # the user's metadata that says which stills to take
STAMP = "sightline-stamp"

_PIECE_BYTES = 1024 * 1024
_MAX_REMOVED = 1000  # at once; S3's own limit
_ATTEMPTS = 8  # at a key that others keep writing
_OTHERS = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})
_NONE = frozenset({"NoSuchKey", "404", "NotFound"})


class S3Uploads:
    """See `cloud.videos.objects.Uploads`."""

    def __init__(self, client: Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def facts(self, key: str, etag: str) -> UploadFacts:
        """See `Uploads.facts`."""
        with self._reading(key):
            answer = self._client.head_object(Bucket=self._bucket, Key=key)
        self._check(key, etag, answer)
        metadata: Mapping[str, str] = answer.get("Metadata", {})
        return UploadFacts(bytes=int(answer["ContentLength"]), sampling=metadata.get(SAMPLING))

    def fetch(self, key: str, etag: str, path: Path) -> str:
        """See `Uploads.fetch`."""
        digest = hashlib.sha256()
        with self._reading(key):
            answer = self._client.get_object(Bucket=self._bucket, Key=key, IfMatch=f'"{etag}"')
            self._check(key, etag, answer)
            # Not `with answer["Body"] as body`: that is what lies below, which counts no bytes.
            with closing(answer["Body"]) as body, path.open("wb") as file:
                for piece in body.iter_chunks(_PIECE_BYTES):
                    digest.update(piece)
                    file.write(piece)
        return digest.hexdigest()

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        with calling(f"read {key!r} from the bucket {self._bucket}"):
            try:
                yield
            except ClientError as err:
                if code(err) in _OTHERS:
                    raise self._replaced(key) from err
                raise

    def _check(self, key: str, etag: str, answer: Mapping[str, Any]) -> None:
        if str(answer["ETag"]).strip('"') != etag:
            raise self._replaced(key)

    def _replaced(self, key: str) -> ReplacedError:
        return ReplacedError(f"another object lies under {key!r} in the bucket {self._bucket} now")


class S3Objects:
    """See `cloud.videos.objects.Objects`."""

    def __init__(self, client: Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put(self, key: str, body: bytes | Path, *, content_type: str, stamp: str) -> bool:
        """See `Objects.put`: one request where nothing lies there, as is usual."""
        kept = {"ContentType": content_type, "Metadata": {STAMP: stamp}}
        condition = {"IfNoneMatch": "*"}
        for _ in range(_ATTEMPTS):
            if self._put_if(key, body, {**kept, **condition}):
                return True
            there = self._look(key)
            if there is not None and there[1] > stamp:
                return False
            condition = {"IfNoneMatch": "*"} if there is None else {"IfMatch": there[0]}
        raise TransportError(f"too many others write {key!r} in the bucket {self._bucket}")

    def get(self, key: str) -> bytes:
        """See `Objects.get`."""
        with calling(f"get {key!r} from the bucket {self._bucket}"):
            answer = self._client.get_object(Bucket=self._bucket, Key=key)
            with closing(answer["Body"]) as body:
                data: bytes = body.read()
        return data

    def remove(self, keys: Collection[str], *, before: str | None = None) -> None:
        """See `Objects.remove`."""
        if before is not None:
            for key in keys:
                self._remove_before(key, before)
            return
        listed = list(keys)
        for begin in range(0, len(listed), _MAX_REMOVED):
            wanted = [{"Key": key} for key in listed[begin : begin + _MAX_REMOVED]]
            with calling(f"remove objects of the bucket {self._bucket}"):
                answer = self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": wanted, "Quiet": True}
                )
            if answer.get("Errors"):
                first = answer["Errors"][0]
                raise TransportError(
                    f"delete {first.get('Key')!r} from the bucket {self._bucket}: "
                    f"{first.get('Code')}: {first.get('Message')}"
                )

    def names(self, folder: str) -> Iterator[str]:
        """See `Objects.names`."""
        request = {"Bucket": self._bucket, "Prefix": folder, "Delimiter": "/"}
        while True:
            with calling(f"list the bucket {self._bucket}"):
                page = self._client.list_objects_v2(**request)
            for entry in page.get("Contents", ()):
                yield entry["Key"]
            if not page.get("IsTruncated"):
                return
            request["ContinuationToken"] = page["NextContinuationToken"]

    def _put_if(self, key: str, body: bytes | Path, headers: dict[str, Any]) -> bool:
        with ExitStack() as stack, calling(f"put {key!r} into the bucket {self._bucket}"):
            try:
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=stack.enter_context(body.open("rb")) if isinstance(body, Path) else body,
                    **headers,
                )
            except ClientError as err:
                # With If-Match, S3 says 404 if what was there has been deleted meanwhile.
                if code(err) in _OTHERS or ("IfMatch" in headers and code(err) in _NONE):
                    return False
                raise
        return True

    def _look(self, key: str) -> tuple[str, str] | None:
        """Return the ETag and the stamp of what lies there; one without a stamp is the oldest."""
        try:
            with calling(f"look at {key!r} in the bucket {self._bucket}"):
                answer = self._client.head_object(Bucket=self._bucket, Key=key)
        except MissingError:
            return None
        return answer["ETag"], answer.get("Metadata", {}).get(STAMP, "")

    def _remove_before(self, key: str, stamp: str) -> None:
        there = self._look(key)
        if there is None or there[1] >= stamp:
            return
        with calling(f"delete {key!r} from the bucket {self._bucket}"):
            try:
                self._client.delete_object(Bucket=self._bucket, Key=key, IfMatch=there[0])
            except ClientError as err:
                if code(err) not in _OTHERS | _NONE:
                    raise
