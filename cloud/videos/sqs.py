"""Chunks on their way through SQS."""

from cloud.aws import Client, calling
from cloud.videos.chunk import Chunk, encode


class SqsChunks:
    """See `cloud.videos.handover.Chunks`."""

    def __init__(self, client: Client, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, chunk: Chunk) -> None:
        """See `Chunks.send`."""
        with calling(f"send to the queue {self._url}"):
            self._client.send_message(QueueUrl=self._url, MessageBody=encode(chunk))
