"""Chunks on the queue: what goes in comes out, and nothing else gets in."""

import json
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.recognize_video import handle
from cloud.videos import naming
from cloud.videos.chunk import Chunk, decode, encode
from cloud.videos.handover import Continuation, read_continuation, write_continuation
from sightline.errors import MessageError, TransportError
from sightline.messages import FrameCaptured, Segment
from tests.cloud.fakes import NOON

JOB = "abcdefghijklmnopqrstuvwxyz"


def captured(name: str = "a", number: int = 1) -> FrameCaptured:
    return FrameCaptured(
        key=naming.still_key(name, number),
        frame_id=naming.frame_id(JOB, number),
        captured_at=NOON,
        width=64,
        height=48,
        bytes=10,
        sha256="0" * 64,
        segment=Segment(id=JOB, offset_ms=500),
    )


def a_chunk(name: str = "a", numbers: tuple[int, ...] = (1, 2)) -> Chunk:
    frames = tuple(captured(name, number) for number in numbers)
    return Chunk(video=name, job=JOB, chunk=1, frames=frames, last=True)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50))
def test_a_chunk_is_read_as_it_was_written_whatever_the_name(name: str) -> None:
    body = encode(a_chunk(name))

    assert decode(body) == a_chunk(name)
    assert body.isascii()  # SQS refuses some characters
    assert body.isprintable()


def test_a_full_chunk_of_the_longest_name_fits_into_a_message() -> None:
    assert len(encode(a_chunk("\x01" * 1000, tuple(range(1, 11))))) < 256 * 1024


@pytest.mark.parametrize(
    "changes",
    [
        {"job": "../x"},
        {"chunk": 0},
        {"chunk": "1"},
        {"video": "b"},
        {"frames": [{"key": "secret/00001.jpg"}]},
        {"frames": None},
        {"job": "b" * 26},
    ],
)
def test_what_is_not_of_that_video_is_no_chunk(changes: dict[str, Any]) -> None:
    said = {**json.loads(encode(a_chunk())), **changes}

    with pytest.raises(MessageError):
        decode(json.dumps(said))


def test_a_still_without_its_place_in_the_film_is_refused() -> None:
    said = json.loads(encode(a_chunk()))
    del said["frames"][0]["segment"]

    with pytest.raises(MessageError, match="segment"):
        decode(json.dumps(said))


class Served:
    """Serves chunks; of the videos that it is told, none."""

    def __init__(self, *failing: str, at_once: int = 1) -> None:
        self.chunks: set[tuple[str, bool]] = set()
        self._failing = failing
        self._together = threading.Barrier(at_once, timeout=20)

    def serve(self, chunk: Chunk, *, again: bool) -> None:
        self._together.wait()
        if chunk.video in self._failing:
            raise TransportError(f"S3 does not answer for {chunk.video}")
        self.chunks.add((chunk.video, again))


def an_event(*bodies: Any, received: Sequence[str] = ()) -> dict[str, Any]:
    counts = [*received, *["1"] * (len(bodies) - len(received))]
    return {
        "Records": [
            {
                "messageId": f"m{number}",
                "body": body,
                "attributes": {"ApproximateReceiveCount": count},
            }
            for number, (body, count) in enumerate(zip(bodies, counts, strict=True), start=1)
        ]
    }


def failures(*messages: str) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": message} for message in messages]}


def test_the_function_serves_each_message_and_drops_what_is_none() -> None:
    served = Served()
    event = an_event(
        encode(a_chunk()),
        "not JSON",
        "{}",
        "[" * 100_000,
        7,
        None,
        encode(a_chunk("b")),
        received=["1"] * 6 + ["2"],
    )
    event["Records"][3:3] = [None, "x", {}, {"messageId": "m"}, {"attributes": 3, "body": "{}"}]

    assert handle(event, lambda: served) == failures()
    for wrong in ({}, {"Records": None}, {"Records": 3}, {"Records": []}, {"Records": [{}]}):
        assert handle(wrong, lambda: served) == failures()

    assert served.chunks == {("a", False), ("b", True)}


def test_a_message_that_does_not_say_how_often_it_came_may_have_come_before() -> None:
    served, event = Served(), an_event(encode(a_chunk()))
    del event["Records"][0]["attributes"]

    handle(event, lambda: served)

    assert served.chunks == {("a", True)}


def test_the_chunks_of_one_call_are_served_side_by_side() -> None:
    served = Served(at_once=2)

    assert handle(an_event(encode(a_chunk()), encode(a_chunk("b"))), lambda: served) == failures()

    assert served.chunks == {("a", False), ("b", False)}


def test_a_chunk_that_fails_is_given_again_and_the_other_is_done(
    caplog: pytest.LogCaptureFixture,
) -> None:
    served = Served("b")
    event = an_event(encode(a_chunk()), encode(a_chunk("b")))

    assert handle(event, lambda: served) == failures("m2")

    assert served.chunks == {("a", False)}
    assert "S3 does not answer for b" in caplog.text


def test_when_all_fail_the_function_does() -> None:
    for videos in (("a",), ("a", "b")):
        event = an_event(*[encode(a_chunk(video)) for video in videos])
        with pytest.raises(TransportError, match="S3 does not answer for a"):
            handle(event, lambda: Served("a", "b"))


def test_a_continuation_is_read_as_it_was_written() -> None:
    continuation = Continuation(video="ä\u202e", job=JOB, chunks=3)

    assert read_continuation(write_continuation(continuation)) == continuation
    assert read_continuation({"Records": []}) is None
    for wrong in (None, {}, {"video": "a", "job": "x", "chunks": 1}, {"video": 1}):
        with pytest.raises(MessageError):
            read_continuation({"continue": wrong})
