"""Frames in S3."""

from contextlib import closing

from cloud.aws import Client, calling
from sightline.errors import ImageError

# A 4K JPEG has 2 to 8 MB. What is larger is no camera's frame, and the function's memory is small.
MAX_FRAME_BYTES = 20_000_000


class S3Frames:
    """See `cloud.fetching.FrameStore`."""

    def __init__(self, client: Client, bucket: str, *, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self._client = client
        self._bucket = bucket
        self._max_bytes = max_bytes

    def get(self, key: str) -> bytes:
        """See `FrameStore.get`; the bucket's missing, or the right to it, is a ConfigError."""
        with calling(f"get {key!r} from the bucket {self._bucket}"):
            answer = self._client.get_object(Bucket=self._bucket, Key=key)
            # One request instead of a HEAD and a GET: the size comes before the body is read.
            # Not `with` on the body itself: that gives the connection's own reader, which takes a
            # body that was cut short for a whole one.
            with closing(answer["Body"]) as body:
                size = int(answer["ContentLength"])
                if size > self._max_bytes:
                    raise ImageError(
                        f"the object has {size} bytes; at most {self._max_bytes} are read",
                        reason="too_large",
                    )
                data: bytes = body.read()
        return data
