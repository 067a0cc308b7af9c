"""Chunks on the queue: what goes in comes out, and nothing else gets in."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.recognize_video import handle
from cloud.videos import naming
from cloud.videos.chunk import Chunk, decode, encode
from cloud.videos.handover import Continuation, read_continuation, write_continuation
from sightline.errors import MessageError
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
    def __init__(self) -> None:
        self.chunks: list[tuple[str, bool]] = []

    def serve(self, chunk: Chunk, *, again: bool) -> None:
        self.chunks.append((chunk.video, again))


def test_the_function_serves_each_message_and_drops_what_is_none() -> None:
    served = Served()
    bodies: list[Any] = [
        encode(a_chunk()),
        "not JSON",
        "{}",
        "[" * 100_000,
        7,
        encode(a_chunk("b")),
    ]

    records: list[Any] = [{"body": body} for body in bodies]
    records[0]["attributes"] = {"ApproximateReceiveCount": "1"}
    records[-1]["attributes"] = {"ApproximateReceiveCount": "2"}

    handle({"Records": records}, lambda: served)
    handle({"Records": [{}]}, lambda: served)
    handle({}, lambda: served)

    assert served.chunks == [("a", False), ("b", True)]


def test_a_continuation_is_read_as_it_was_written() -> None:
    continuation = Continuation(video="ä\u202e", job=JOB, chunks=3)

    assert read_continuation(write_continuation(continuation)) == continuation
    assert read_continuation({"Records": []}) is None
    for wrong in (None, {}, {"video": "a", "job": "x", "chunks": 1}, {"video": 1}):
        with pytest.raises(MessageError):
            read_continuation({"continue": wrong})
