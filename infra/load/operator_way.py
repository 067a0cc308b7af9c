"""The way of light devices into a stack: S3, and an operator's own MQTT connections."""

import contextlib
import math
import zlib
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

from infra.account import translated
from infra.load.frames import Answer
from infra.operating.operator_client import OperatorClient, Received
from sightline.messages import FrameCaptured, FrameRecognized, FrameRejected, decode, encode
from sightline.topics import every, parse, topic

# AWS IoT Core takes 100 publishes a second on a connection, and drops what is over.
_PUBLISHES_PER_S = 50


class OperatorWay:
    """See `infra.load.frames.Way`; open from `__enter__` to `__exit__`.

    An operator may publish for any device, so that no certificate is made for what lives a minute.
    """

    def __init__(
        self, connect: Callable[[], OperatorClient], s3: Any, bucket: str, *, rate: float
    ) -> None:
        """Make as many connections by *connect* as *rate*, publishes a second, needs."""
        self._connect = connect
        self._s3 = s3
        self._bucket = bucket
        self._count = max(1, math.ceil(rate / _PUBLISHES_PER_S))
        self._open = contextlib.ExitStack()
        self._clients: list[OperatorClient] = []

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opened:
            for _ in range(self._count):
                self._clients.append(opened.enter_context(self._connect()))
            self._clients[0].subscribe([every("results"), every("errors")])
            self._open = opened.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._open.close()

    def send(self, device: str, frame: FrameCaptured, jpeg: bytes) -> None:
        """See `Way.send`."""
        with translated(f"storing a frame in the bucket {self._bucket}"):
            self._s3.put_object(Bucket=self._bucket, Key=frame.key, Body=jpeg)
        # A device keeps to one connection, as its frames must come in order.
        client = self._clients[zlib.crc32(device.encode()) % len(self._clients)]
        client.publish(topic(device, "frames"), encode(frame))

    def answers(self, seconds: float) -> Iterator[Answer]:
        """See `Way.answers`."""
        return map(_read, self._clients[0].messages(seconds=seconds))


def _read(received: Received) -> Answer:
    if parse(received.topic)[1] == "results":
        return decode(FrameRecognized, received.payload)
    return decode(FrameRejected, received.payload)
