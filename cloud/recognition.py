"""The work of the recognition function: from a reference to an answer.

Every frame gets one answer: who is in it, or why it could not be served. What a retry may mend is
left to rise, for Lambda tries again; what it cannot mend is answered at once.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np

from cloud.answer import fit, recognized_faces
from cloud.fetching import Fetching, FrameStore, RejectedError
from cloud.gallery import GalleryCache
from cloud.intake import Reference, echo_key
from cloud.metrics import Metrics, NoMetrics
from cloud.noting import note
from cloud.seeing import EngineFacts, Recognizer
from cloud.side_by_side import side_by_side
from cloud.sightings import Sighting, Sightings
from cloud.stopwatch import Stopwatch
from sightline import keys
from sightline.errors import ConfigError, ImageError, MissingError, ModelError, TransportError
from sightline.faces.image import Picture, decode_reduced
from sightline.messages import FrameRecognized, FrameRejected, RejectedReason

log = logging.getLogger(__name__)

NO_FRAME = "frames/none"  # no device's: asked for only to open the connection


class Results(Protocol):
    """The way back to the device; `cloud.iot.IotResults`, and `cloud.memory.MemoryResults`."""

    def publish(self, message: FrameRecognized | FrameRejected) -> None:
        """Send *message* to its device at least once.

        Raises:
            MessageError: It is too large.
            TransportError: The broker did not take it.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything outside that a recognition needs."""

    frames: FrameStore
    sightings: Sightings
    results: Results
    gallery: GalleryCache
    recognizer: Recognizer = field(repr=False)
    engine: EngineFacts = field(repr=False)
    metrics: Metrics = field(default_factory=NoMetrics)


class Recognition:
    """Serves references. From several threads, the networks look at one frame at a time.

    Then frames are fetched and answers kept meanwhile; memory is that of one worker all the same.
    """

    def __init__(
        self,
        ports: Ports,
        *,
        sighting_days: int,
        longest_side_px: int = 1280,
        owns: Callable[[str, str], bool] = keys.is_frame_of,
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
    ) -> None:
        """Join the parts.

        Args:
            ports: Everything outside.
            sighting_days: After how many days a sighting is forgotten.
            longest_side_px: A JPEG at least twice as long is looked at reduced, but never below
                this; see `sightline.faces.image.decode_reduced`.
            owns: Whether a device may refer to a key; no device may have another's frame read.
            now: The time, with its zone.
            sleep: Waits some seconds.
        """
        self._ports = ports
        self._owns = owns
        self._longest_side_px = longest_side_px
        self._kept_for = timedelta(days=sighting_days)
        self._now = now
        self._fetching = Fetching(ports.frames, sleep=sleep)
        self._looking = threading.Lock()

    def serve(self, reference: Reference) -> None:
        """Answer one reference on its device's topic.

        Raises:
            TransportError: A service did not answer; try again.
            ConfigError: The function is set up wrongly; the device is told `internal`.
            ModelError: A network is missing; the device is told `internal`.
        """
        try:
            answer = self._answer(reference)
        except (ConfigError, ModelError):
            answer = _rejection(
                reference, "internal", "the function is set up wrongly; its log says how to mend it"
            )
            self._ports.results.publish(answer)
            note(reference, answer, metrics=self._ports.metrics, now=self._now)
            raise
        self._ports.results.publish(answer)
        note(reference, answer, metrics=self._ports.metrics, now=self._now)

    def answer(
        self, reference: Reference, *, look_back: bool = True
    ) -> FrameRecognized | FrameRejected:
        """Answer one reference to whoever calls; nothing is published.

        Args:
            reference: The frame's.
            look_back: Look for an earlier answer first. Without it a frame that was answered before
                is recognised in vain, and the earlier answer given all the same: one request less,
                for who knows that this is the first time, as far as anybody can.

        Raises:
            TransportError: A service did not answer; try again.
            ConfigError: The function is set up wrongly.
            ModelError: A network is missing.
        """
        answer = self._answer(reference, look_back=look_back)
        note(reference, answer, metrics=self._ports.metrics, now=self._now)
        return answer

    def answer_all(
        self, references: Sequence[Reference], *, look_back: bool = True, pool: Executor
    ) -> Sequence[FrameRecognized | FrameRejected]:
        """Answer each of *references* as `answer` does, side by side, and keep all at once.

        Raises:
            TransportError: A service did not answer; none of the answers may have been kept.
            ConfigError: The function is set up wrongly.
            ModelError: A network is missing.
        """

        def look(reference: Reference) -> FrameRecognized | FrameRejected:
            return self._looked(reference, Stopwatch(), look_back=look_back)

        answers = side_by_side(pool, look, references)
        new = {
            place: self._sighting(answer)
            for place, answer in enumerate(answers)
            if isinstance(answer, FrameRecognized) and not answer.repeat
        }
        for place, before in zip(new, self._ports.sightings.keep_all([*new.values()]), strict=True):
            answers[place] = _first(before, new[place].result)
        for reference, answer in zip(references, answers, strict=True):
            note(reference, answer, metrics=self._ports.metrics, now=self._now)
        return answers

    def warm_up(self) -> None:
        """Do now what the first frame would wait for: networks, gallery, connections.

        Raises:
            ConfigError: A right, a table or the bucket is missing.
        """
        self._ports.recognizer.see(np.zeros((720, 1280, 3), np.uint8))
        try:
            self._ports.gallery.current()
            with suppress(MissingError):
                self._ports.frames.get(NO_FRAME)
        except TransportError as err:
            log.warning("the first frame will take longer: %s", err)

    def _answer(
        self, reference: Reference, *, look_back: bool = True
    ) -> FrameRecognized | FrameRejected:
        watch = Stopwatch()
        looked = self._looked(reference, watch, look_back=look_back)
        if isinstance(looked, FrameRejected) or looked.repeat:
            return looked
        with watch.stage("store"):
            before = self._ports.sightings.keep(self._sighting(looked))
        answer = _first(before, looked)
        # What is kept is what is sent, less the time that keeping took.
        return answer if answer.repeat else replace(answer, timings_ms=watch.milliseconds())

    def _looked(
        self, reference: Reference, watch: Stopwatch, *, look_back: bool
    ) -> FrameRecognized | FrameRejected:
        """Answer, and keep nothing."""
        watch.add("queue", max(0.0, (self._now() - reference.received_at).total_seconds()))
        captured, device = reference.captured, reference.device
        try:
            if not self._owns(device, captured.key):
                raise RejectedError(
                    "foreign_key", f"key: {captured.key[:200]!r} is not below frames/{device}/"
                )
            if look_back:
                with watch.stage("find"):
                    before = self._ports.sightings.find(device, captured.frame_id)
                if before is not None:
                    return replace(before, repeat=True)
            with watch.stage("fetch"):
                data = self._fetching.fetch(captured)
            return self._recognize(reference, data, watch)
        except RejectedError as err:
            return _rejection(reference, err.reason, str(err))

    def _sighting(self, result: FrameRecognized) -> Sighting:
        return Sighting(result=result, expires_at=self._now() + self._kept_for)

    def _recognize(self, reference: Reference, data: bytes, watch: Stopwatch) -> FrameRecognized:
        ports = self._ports
        with watch.stage("decode"):
            picture = self._decode(reference, data)
        with self._looking:
            sight = ports.recognizer.see(picture.frame)
            watch.add("detect", sight.detect_ms / 1000)
            watch.add("embed", sight.embed_ms / 1000)
            with watch.stage("people"):  # after the networks: who was added meanwhile counts
                enrolled = ports.gallery.current()
            with watch.stage("match"):
                faces = recognized_faces(sight.faces, enrolled, ports.engine)
        return fit(
            FrameRecognized(
                frame_id=reference.captured.frame_id,
                device=reference.device,
                captured_at=reference.captured_at,
                recognized_at=self._now(),
                width=picture.width,
                height=picture.height,
                faces=tuple(replace(face, box=picture.in_file(face.box)) for face in faces),
                engine=ports.engine.id,
                gallery=enrolled.gallery.version,
                repeat=False,
                timings_ms=watch.milliseconds(),
            )
        )

    def _decode(self, reference: Reference, data: bytes) -> Picture:
        try:
            picture = decode_reduced(data, longest_px=self._longest_side_px)
        except ImageError as err:
            raise RejectedError(err.reason, str(err)) from err
        if picture.reduced_by > 1:
            log.info(
                "frame %s of %s has %d x %d px and is looked at in 1/%d of that, so that its"
                " smallest faces are missed; raise SIGHTLINE_LONGEST_SIDE_PX to find them",
                reference.captured.frame_id,
                reference.device,
                picture.width,
                picture.height,
                picture.reduced_by,
            )
        return picture


def _first(before: FrameRecognized | None, result: FrameRecognized) -> FrameRecognized:
    """Choose between what the store had *before* and *result*, which is kept if it had nothing.

    The same reference, served at the same moment, was faster; but it may be our own, if the answer
    to the first try at keeping it was lost on the way.
    """
    return result if before in (None, result) else replace(before, repeat=True)


def _rejection(reference: Reference, reason: RejectedReason, detail: str) -> FrameRejected:
    return FrameRejected(
        frame_id=reference.captured.frame_id,
        device=reference.device,
        reason=reason,
        detail=detail,
        key=echo_key(reference.captured.key),
    )
