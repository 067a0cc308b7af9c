"""What is said about each face of a frame, and how it is made to fit into a message."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from cloud.gallery import Enrolled
from cloud.register import EnrolledPerson
from cloud.seeing import EngineFacts
from sightline.errors import MessageError
from sightline.faces.matcher import Match, match
from sightline.faces.recognizer import SeenFace
from sightline.messages import (
    MAX_PAYLOAD_BYTES,
    Decision,
    Face,
    FrameRecognized,
    FrameRejected,
    Person,
    encode,
)
from sightline.topics import Channel, topic

log = logging.getLogger(__name__)

# For what is added to a result after it was measured: the time that storing it took.
_SPARE_BYTES = 256

# What goes last when a frame holds more faces than a message: whom somebody may be waiting for.
_IMPORTANCE: dict[Decision, int] = {
    "known": 0,
    "unsure": 1,
    "unknown": 2,
    "blurred": 3,
    "too_small": 4,
}


def answer_topic(message: FrameRecognized | FrameRejected) -> str:
    """Name the topic on which a device hears *message*."""
    channel: Channel = "results" if isinstance(message, FrameRecognized) else "errors"
    return topic(message.device, channel)


def recognized_faces(
    seen: Sequence[SeenFace], enrolled: Enrolled, engine: EngineFacts
) -> tuple[Face, ...]:
    """Decide about every face of one frame, in the order given."""
    matches = iter(_matches(seen, enrolled, engine))
    threshold = engine.threshold if len(enrolled.gallery) else None
    return tuple(
        _unusable(face)
        if face.embedding is None
        else _decided(face, next(matches), enrolled.people, threshold)
        for face in seen
    )


def fit(result: FrameRecognized) -> FrameRecognized:
    """Return *result* such that it can be sent: first records are left out, then faces.

    A message over the limit would be refused by the broker each time that it is tried.
    """
    if _size(result) is not None:
        return result
    log.warning(
        "records are left out of frame %s of %s: the result was over %d bytes",
        result.frame_id,
        result.device,
        MAX_PAYLOAD_BYTES,
    )
    result = replace(result, faces=tuple(map(_without_record, result.faces)))
    by_importance = sorted(result.faces, key=lambda face: _IMPORTANCE[face.decision])
    kept = len(by_importance)
    while _size(result) is None:
        kept = kept * 3 // 4
        result = replace(result, faces=tuple(by_importance[:kept]))
    if kept < len(by_importance):
        log.warning(
            "%d of %d faces are left out of frame %s of %s: the result was over %d bytes",
            len(by_importance) - kept,
            len(by_importance),
            result.frame_id,
            result.device,
            MAX_PAYLOAD_BYTES,
        )
    return result


def _matches(seen: Sequence[SeenFace], enrolled: Enrolled, engine: EngineFacts) -> list[Match]:
    embeddings = [face.embedding for face in seen if face.embedding is not None]
    if not embeddings:
        return []
    return match(
        np.stack(embeddings).astype(np.float32),
        enrolled.gallery,
        threshold=engine.threshold,
        margin=engine.margin,
        doubt=engine.doubt,
    )


def _decided(
    face: SeenFace,
    nearest: Match,
    people: Mapping[str, EnrolledPerson],
    threshold: float | None,
) -> Face:
    person = None
    if nearest.decision == "known" and nearest.person_id is not None:
        somebody = people[nearest.person_id]
        person = Person(id=somebody.id, name=somebody.name, record=somebody.record)
    return Face(
        box=face.box,
        detection=_probability(face),
        decision=nearest.decision,
        person=person,
        distance=_rounded(nearest.distance),
        margin=_rounded(nearest.margin),
        threshold=threshold,
    )


def _unusable(face: SeenFace) -> Face:
    return Face(
        box=face.box,
        detection=_probability(face),
        decision="too_small" if face.quality.verdict == "too_small" else "blurred",
        person=None,
        distance=None,
        margin=None,
        threshold=None,
    )


def _probability(face: SeenFace) -> float:
    return round(min(1.0, max(0.0, float(face.detection))), 4)


def _rounded(value: float | None) -> float | None:
    # Four digits tell apart what the networks can; the next ones are the processor's rounding.
    return None if value is None else round(float(value), 4)


def _without_record(face: Face) -> Face:
    if face.person is None:
        return face
    return replace(face, person=replace(face.person, record=None))


def _size(result: FrameRecognized) -> int | None:
    """Count the bytes of *result* as sent; None if they are too many."""
    try:
        size = len(encode(result))
    except MessageError:
        return None
    return size if size <= MAX_PAYLOAD_BYTES - _SPARE_BYTES else None
