"""The work of the recognition of videos: one chunk of stills answered, marked, and perhaps the end.

A chunk may come twice, or again after half of it was done: sightings answer a still only once, and
the ledger counts a chunk only once.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from cloud.intake import Reference
from cloud.videos.chunk import Chunk
from cloud.videos.finishing import Finishing
from cloud.videos.handover import Continuation, Splitters
from cloud.videos.ledger import (
    Ledger,
    MarkedError,
    Marker,
    Rejection,
    SupersededError,
    change,
    current,
)
from cloud.videos.naming import frame_number
from cloud.videos.tally import is_judged
from cloud.videos.video import Video
from sightline.messages import FrameCaptured, FrameRecognized, FrameRejected

log = logging.getLogger(__name__)

_MAX_DETAIL = 200

_Answer = FrameRecognized | FrameRejected


class Answerer(Protocol):
    """The recognition itself; `cloud.recognition.Recognition` does it for real."""

    def answer(self, reference: Reference, *, look_back: bool = True) -> _Answer:
        """Answer *reference*, and keep the answer; the same one if it was asked before.

        Without *look_back* that is found out last, which spares a request if it was not.

        Raises:
            TransportError: A service did not answer; try again.
            ConfigError: The function is set up wrongly.
            ModelError: A network is missing.
        """
        ...

    def answer_all(
        self, references: Sequence[Reference], *, look_back: bool = True, pool: Executor
    ) -> Sequence[_Answer]:
        """Answer each of *references* like that, side by side, and keep all answers at once.

        Raises:
            TransportError: A service did not answer; try again.
            ConfigError: The function is set up wrongly.
            ModelError: A network is missing.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingPorts:
    """Everything outside that serving a chunk needs."""

    ledger: Ledger
    recognition: Answerer
    splitters: Splitters
    finishing: Finishing
    pool: Executor = field(repr=False)  # fetches and keeps while the networks look at another still


@dataclass(frozen=True, slots=True, kw_only=True)
class _Served:
    marker: Marker
    chosen: int | None  # the first still with a face that can be judged, if one is enough


class Serving:
    """Serves chunks, one at a time."""

    def __init__(self, ports: ServingPorts, *, now: Callable[[], datetime]) -> None:
        """Join the parts; *now* gives the time, with its zone."""
        self._ports = ports
        self._now = now

    def serve(self, chunk: Chunk, *, again: bool = True) -> None:
        """Answer the stills of *chunk*; whoever does the last one writes the outputs.

        Args:
            chunk: What the queue gave.
            again: It may have been given before, so that some stills may have their answer.

        Raises:
            TransportError: A service did not answer; try again.
            ConfigError: The function is set up wrongly.
            ModelError: A network is missing.
        """
        video = self._ports.ledger.find(chunk.video)
        if video is None or video.job != chunk.job:
            log.info("chunk %d of %s is dropped: a newer upload is there", chunk.chunk, chunk.job)
            return
        if video.is_settled:
            log.info("chunk %d of %s is dropped: the video is done", chunk.chunk, chunk.job)
            return
        try:
            if video.chosen is None:  # else one is found, and the others' stills may be gone
                served = self._answer(chunk, first=video.wants_first, again=again)
                video = self._mark(video, chunk, served)
            if video.wants_first and video.chunks is None and video.chunks_sent <= chunk.chunk:
                self._ports.splitters.go_on(
                    Continuation(video=video.name, job=video.job, chunks=chunk.chunk)
                )
        except SupersededError as err:
            log.info("chunk %d of %s is dropped: %s", chunk.chunk, chunk.job, err)
            return
        if video.is_whole:
            self._ports.finishing.settle(video)

    def _answer(self, chunk: Chunk, *, first: bool, again: bool) -> _Served:
        recognition, now = self._ports.recognition, self._now()
        references = [
            Reference(device=chunk.device, captured=captured, received_at=now)
            for captured in chunk.frames
        ]
        answers: Iterable[_Answer]
        if first:  # of candidates, those behind the one that is chosen are not looked at
            answers = (recognition.answer(each, look_back=again) for each in references)
        else:
            answers = recognition.answer_all(references, look_back=again, pool=self._ports.pool)
        rejections: list[Rejection] = []
        for done, (captured, answer) in enumerate(zip(chunk.frames, answers, strict=True), start=1):
            if isinstance(answer, FrameRejected):
                rejections.append(_rejection(captured, answer))
            elif first and is_judged(answer):
                marker = Marker(chunk=chunk.chunk, stills=done, rejections=tuple(rejections))
                return _Served(marker=marker, chosen=frame_number(captured.frame_id))
        marker = Marker(chunk=chunk.chunk, stills=len(chunk.frames), rejections=tuple(rejections))
        return _Served(marker=marker, chosen=None)

    def _mark(self, video: Video, chunk: Chunk, served: _Served) -> Video:
        """Count the chunk; the row as it then stands says whether it was the last."""

        def mark(stands: Video) -> Video:
            marked = stands.marked(stills=served.marker.stills, now=self._now())
            return marked if served.chosen is None else marked.chose(served.chosen, chunk.chunk)

        try:
            return change(self._ports.ledger, video, mark, marker=served.marker)
        except MarkedError:
            return current(self._ports.ledger, video)


def _rejection(captured: FrameCaptured, answer: FrameRejected) -> Rejection:
    return Rejection(
        number=frame_number(captured.frame_id),
        offset_ms=captured.segment.offset_ms if captured.segment else 0,
        reason=answer.reason,
        detail=answer.detail[:_MAX_DETAIL],
    )
