"""The API's buckets in S3: frames that it stores, and URLs that it signs."""

from collections.abc import Mapping
from datetime import timedelta

from boto3.session import Session
from botocore.config import Config

from cloud.aws import Client, calling, client
from cloud.http.file_names import as_metadata
from cloud.s3 import S3Frames

FILE_NAME = "file-name"  # of an object's metadata: what its sender called it, percent-encoded


class S3Media(S3Frames):
    """See `cloud.http.frames.Media`, and `cloud.fetching.FrameStore`.

    What was stored last is not fetched to be recognised, for it is here still.
    """

    def __init__(self, client: Client, bucket: str) -> None:
        super().__init__(client, bucket)
        self._last: tuple[str, bytes] | None = None

    def keep(self, key: str, data: bytes, *, content_type: str, name: str) -> None:
        """See `Media.keep`."""
        metadata = {FILE_NAME: as_metadata(name)} if name else {}
        with calling(f"put {key!r} into the bucket {self._bucket}"):
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=data,
                ContentType=content_type,
                Metadata=metadata,
            )
        self._last = (key, data)

    def get(self, key: str) -> bytes:
        """See `FrameStore.get`."""
        last, self._last = self._last, None
        return last[1] if last is not None and last[0] == key else super().get(key)


class S3Videos:
    """See `cloud.http.videos.VideoStore`."""

    def __init__(self, client: Client, *, inputs: str, outputs: str) -> None:
        """Take a client of `signer`, and the names of the buckets."""
        self._client = client
        self._inputs = inputs
        self._outputs = outputs

    def upload_url(self, key: str, *, headers: Mapping[str, str], good_for: timedelta) -> str:
        """See `VideoStore.upload_url`."""
        metadata = {
            name.removeprefix("x-amz-meta-"): value
            for name, value in headers.items()
            if name.startswith("x-amz-meta-")
        }
        return self._sign(
            "put_object",
            {"Bucket": self._inputs, "Key": key, **({"Metadata": metadata} if metadata else {})},
            good_for,
        )

    def output_url(self, key: str, *, good_for: timedelta) -> str:
        """See `VideoStore.output_url`."""
        return self._sign("get_object", {"Bucket": self._outputs, "Key": key}, good_for)

    def _sign(self, operation: str, parameters: dict[str, object], good_for: timedelta) -> str:
        with calling(f"sign {operation}"):
            url: str = self._client.generate_presigned_url(
                operation, Params=parameters, ExpiresIn=int(good_for.total_seconds())
            )
        return url


def signer(session: Session) -> Client:
    """Make a client that signs URLs so that every bucket takes them.

    Unless it is told, botocore signs some regions' URLs in the old way, which buckets with keys of
    KMS refuse, and for the host without a region, which redirects in a bucket's first hours: a
    signed PUT does not outlive that. An endpoint of one's own has no hosts of buckets' names.
    """
    own = client(session, "s3")
    on_aws = ".amazonaws.com" in own.meta.endpoint_url
    style = "virtual" if on_aws else "path"
    config = Config(signature_version="s3v4", s3={"addressing_style": style})
    return session.client("s3", config=own.meta.config.merge(config))
