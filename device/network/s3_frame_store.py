"""Frames in S3, by botocore."""

from device.network.credentials import Fetch
from device.network.frame_store import checksum
from device.network.s3_bucket import S3Bucket
from device.settings import StorageSettings


class S3FrameStore:
    """See `device.network.frame_store.FrameStore`."""

    def __init__(self, settings: StorageSettings, fetch: Fetch, *, connections: int = 2) -> None:
        """Prepare to put frames into a bucket, with the credentials that *fetch* gives."""
        self.bucket = S3Bucket(settings, fetch, connections=connections)

    def put(self, key: str, jpeg: bytes, sha256: str) -> None:
        """See `FrameStore.put`."""
        with self.bucket.request() as client:
            client.put_object(
                Bucket=self.bucket.name,
                Key=key,
                Body=jpeg,
                ContentType="image/jpeg",
                ChecksumSHA256=checksum(sha256),
                IfNoneMatch="*",  # a second upload of a frame changes nothing
            )

    def prepare(self) -> None:
        """Do what the first `put` would else do: load botocore's tables, get credentials.

        Raises:
            TransportError: The credentials provider cannot be reached now; `put` will try again.
            ConfigError: It refuses.
        """
        self.bucket.connected()
