"""What one function of the video chain hands to another, and the ports over which it does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cloud.videos.chunk import Chunk
from cloud.videos.naming import check_job
from sightline.wire import load


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """Asks the split function to go on with a video where its row says that it is."""

    video: str
    job: str
    chunks: int  # that were sent when this was asked

    def __post_init__(self) -> None:
        check_job(self.job)


class Chunks(Protocol):
    """The way to the recognition.

    `cloud.videos.sqs.SqsChunks`, and `cloud.videos.memory.MemoryChunks` in the process.
    """

    def send(self, chunk: Chunk) -> None:
        """Hand *chunk* over at least once.

        Raises:
            TransportError: It was not taken.
        """
        ...


class Splitters(Protocol):
    """The way to the split function.

    `cloud.videos.functions.LambdaSplitters`, and in the process
    `cloud.videos.memory.MemorySplitters`.
    """

    def go_on(self, continuation: Continuation) -> None:
        """Have the split function go on, some time.

        Raises:
            TransportError: It was not taken.
        """
        ...


def write_continuation(continuation: Continuation) -> dict[str, Any]:
    """Write the event that the split function gets."""
    return {
        "continue": {
            "video": continuation.video,
            "job": continuation.job,
            "chunks": continuation.chunks,
        }
    }


def read_continuation(event: Mapping[str, Any]) -> Continuation | None:
    """Read an event of ours; None if it is somebody else's.

    Raises:
        MessageError: It is one of ours, and wrong.
    """
    if not isinstance(event, Mapping) or "continue" not in event:
        return None
    return load(Continuation, event["continue"], "continue")
