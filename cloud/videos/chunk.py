"""Chunks: the references to some stills of a video, as they go through the queue."""

import json
from dataclasses import dataclass

from cloud.videos import naming
from sightline.errors import MessageError
from sightline.messages import FrameCaptured
from sightline.wire import dump, load

STILLS = 10  # in a chunk: half a second to some seconds of work, and far below SQS's 256 KiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Some stills of one video that follow each other. Split function to recognition."""

    video: str  # its name
    job: str
    chunk: int  # from 1
    frames: tuple[FrameCaptured, ...]  # may be none in the last, if the film ended unexpectedly
    last: bool = False

    def __post_init__(self) -> None:
        naming.check_job(self.job)
        if self.chunk < 1:
            raise MessageError(f"chunk: {self.chunk} is less than 1")
        for captured in self.frames:
            number = naming.frame_number(captured.frame_id)
            if captured.frame_id != naming.frame_id(self.job, number):
                raise MessageError(f"frame_id: {captured.frame_id!r} is not of job {self.job}")
            if captured.key != naming.still_key(self.video, number):
                raise MessageError(f"key: {captured.key[:60]!r} is not the still {number}'s")
            if captured.segment is None:
                raise MessageError("segment is missing: nobody knows where in the video that is")

    @property
    def device(self) -> str:
        """The virtual device whose frames the stills are."""
        return naming.device_of(self.job)


def encode(chunk: Chunk) -> str:
    """Write *chunk* as JSON in ASCII, since SQS refuses some characters that a name may hold."""
    return json.dumps(dump(chunk), separators=(",", ":"))


def decode(body: str) -> Chunk:
    """Read a chunk.

    Raises:
        MessageError: It is none.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as err:
        raise MessageError(f"the chunk is not JSON: {err}", reason="not_json") from err
    return load(Chunk, value)
