"""One film, sent: its stills stored, and references to them put on the queue, chunk by chunk."""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cloud.videos import chunk as chunks
from cloud.videos import naming
from cloud.videos.chunk import Chunk
from cloud.videos.film_port import Encode, Film, Still
from cloud.videos.handover import Chunks, Continuation, Splitters
from cloud.videos.ledger import Ledger, SupersededError, change
from cloud.videos.objects import JPEG, Objects
from cloud.videos.sampling import Sampling
from cloud.videos.video import Video
from sightline.errors import VideoError
from sightline.messages import FrameCaptured, Segment

log = logging.getLogger(__name__)

MAX_STILLS = 20_000  # of one video: 2 h 46 min at two a second, or 11 minutes of `all` at 30
ENOUGH_TIME_S = 60  # to send one more chunk, and to hand over what is left


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingPorts:
    """Everything outside that sending needs."""

    stage: Objects
    ledger: Ledger
    chunks: Chunks
    splitters: Splitters
    encode: Encode
    pool: Executor = field(repr=False)  # encodes and stores stills while the next is decoded


@dataclass(slots=True)
class _Pending:
    """A still that is being stored."""

    number: int
    offset_ms: int
    stored: "Future[FrameCaptured | None]"  # None: a newer upload's lies there


class Sending:
    """Sends one film, from the first still that is not sent yet to the last there is time for."""

    def __init__(
        self,
        video: Video,
        film: Film,
        ports: SendingPorts,
        *,
        now: Callable[[], datetime],
        time_left_s: Callable[[], float],
    ) -> None:
        self._video = video
        self._film = film
        self._ports = ports
        self._now = now
        self._time_left_s = time_left_s
        self._pending: list[_Pending] = []
        self._watch = time.perf_counter()
        self._said: tuple[str, ...] = ()
        self._max_stills = int(video.settings.get("max_stills", MAX_STILLS))
        # Not the ledger's: another, called for the same event, may be further.
        self._chunks_sent, self._stills_sent = video.chunks_sent, video.stills_sent

    def run(self) -> Video:
        """Send all stills; near the time limit, those that can be, and ask to be called again.

        Returns:
            The video as the ledger has it then; it may be finished.

        Raises:
            VideoError: There is no still in it.
            SupersededError: A newer upload has the name.
            TransportError: A service did not answer.
        """
        sampling = Sampling.parse(self._video.sampling)
        after_ms = self._video.after_ms
        stills = self._film.stills(
            sampling,
            after_s=None if after_ms is None else after_ms / 1000,
            first_number=self._stills_sent + 1,
        )
        for still in self._until_it_breaks(stills):
            if still.number > self._max_stills:
                self._said += (f"only the first {self._max_stills} stills were taken",)
                break
            if len(self._pending) == chunks.STILLS:
                # Not the last chunk, since there is a still after it.
                self._send()
                # Whoever looks at candidates asks for more.
                if self._video.is_settled or self._video.wants_first:
                    return self._video
                if self._time_left_s() < ENOUGH_TIME_S:
                    self._hand_over()
                    return self._video
            self._store(still)
        self._end()
        return self._video

    def _until_it_breaks(self, stills: Iterator[Still]) -> Iterator[Still]:
        """Pass on what can be decoded; a film that breaks off after that is used up to there."""
        try:
            yield from stills
        except VideoError as err:
            if not self._stills_sent and not self._pending:
                raise
            self._said += (f"it could not be read to its end: {err}",)

    def _store(self, still: Still) -> None:
        offset_ms = round(still.offset_s * 1000)
        future = self._ports.pool.submit(self._stored, still, offset_ms)
        self._pending.append(_Pending(still.number, offset_ms, future))

    def _stored(self, still: Still, offset_ms: int) -> FrameCaptured | None:
        """Encode a still, and store it; in another thread."""
        video, jpeg = self._video, self._ports.encode(still.frame)
        key = naming.still_key(video.name, still.number)
        if not self._ports.stage.put(key, jpeg, content_type=JPEG, stamp=video.rank):
            return None
        height, width = still.frame.shape[:2]
        began_at = video.began_at or video.uploaded_at
        return FrameCaptured(
            key=key,
            frame_id=naming.frame_id(video.job, still.number),
            captured_at=began_at + timedelta(milliseconds=offset_ms),
            width=int(width),
            height=int(height),
            bytes=len(jpeg),
            sha256=hashlib.sha256(jpeg).hexdigest(),
            segment=Segment(id=video.job, offset_ms=offset_ms),
        )

    def _send(self) -> None:
        """Send what is pending as one chunk, which is not the last."""
        frames, number = self._frames(), self._chunks_sent + 1
        stills, after_ms = self._pending[-1].number, self._pending[-1].offset_ms
        self._ports.chunks.send(
            Chunk(video=self._video.name, job=self._video.job, chunk=number, frames=frames)
        )
        split_ms, now = self._lap_ms(), self._now()
        self._note(
            lambda stands: stands.sent(
                chunk=number, stills=stills, after_ms=after_ms, split_ms=split_ms, now=now
            )
        )
        self._chunks_sent, self._stills_sent, self._pending = number, stills, []

    def _end(self) -> None:
        """Note how many chunks there are, and send the last."""
        frames, number = self._frames(), self._chunks_sent + 1
        stills = self._pending[-1].number if self._pending else self._stills_sent
        if not stills:
            raise VideoError("the film has no frame that can be decoded", reason="no_frames")
        problems, split_ms, now = self._film.problems + self._said, self._lap_ms(), self._now()
        self._note(
            lambda stands: stands.ended(
                chunks=number, stills=stills, problems=problems, split_ms=split_ms, now=now
            )
        )
        if self._video.is_settled:
            return
        name, job = self._video.name, self._video.job
        self._ports.chunks.send(Chunk(video=name, job=job, chunk=number, frames=frames, last=True))
        log.info("the video %s: %d stills were sent", ascii(self._video.name), stills)

    def _hand_over(self) -> None:
        """Ask to be called again, before Lambda's time is over."""
        video = self._video
        self._ports.splitters.go_on(
            Continuation(video=video.name, job=video.job, chunks=video.chunks_sent)
        )
        log.info("the video %s goes on after %d stills", ascii(video.name), video.stills)

    def _frames(self) -> tuple[FrameCaptured, ...]:
        """Wait until all that is pending is stored.

        Raises:
            SupersededError: A newer upload's still lies where one should.
        """
        stored = [pending.stored.result() for pending in self._pending]
        frames = tuple(captured for captured in stored if captured is not None)
        if len(frames) < len(stored):
            raise SupersededError("a newer upload has the name")
        return frames

    def _note(self, transition: Callable[[Video], Video]) -> None:
        self._video = change(self._ports.ledger, self._video, transition)

    def _lap_ms(self) -> float:
        before, self._watch = self._watch, time.perf_counter()
        return (self._watch - before) * 1000
