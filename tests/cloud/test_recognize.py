"""The function's edge: events, payloads, and a service that cannot be built."""

import json
from base64 import b64encode
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.intake import Reference, excerpt, read_event
from cloud.memory import MemoryResults
from cloud.recognize import handle
from sightline.errors import MessageError, ModelError
from sightline.messages import FrameRejected, decode
from tests.cloud.fakes import Counted

KEY = "frames/door/2026/11/21/f1.jpg"


class Served:
    """Remembers what it was asked to serve."""

    def __init__(self) -> None:
        self.references: list[Reference] = []

    def serve(self, reference: Reference) -> None:
        self.references.append(reference)


def event(sent: bytes, /, **changes: Any) -> dict[str, Any]:
    return {
        "payload": b64encode(sent).decode(),
        "topic": "sightline/v1/door/frames",
        "client": "door",
        "received_ms": 1763719200512,
        **changes,
    }


def run(event: Any) -> tuple[list[Reference], list[tuple[str, bytes]]]:
    served, results = Served(), MemoryResults()
    handle(event, lambda: served, lambda: results)
    return served.references, results.sent


def refusal(sent: list[tuple[str, bytes]]) -> FrameRejected:
    [(topic, payload)] = sent
    assert topic == "sightline/v1/door/errors"
    return decode(FrameRejected, payload)


def test_all_that_a_person_must_type_is_the_key() -> None:
    [reference], sent = run(event(json.dumps({"key": KEY}).encode()))

    assert sent == []
    assert (reference.device, reference.captured.key) == ("door", KEY)
    assert reference.captured.frame_id == "f1"
    assert reference.captured_at.isoformat() == "2025-11-21T10:00:00.512000+00:00"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not_json"),
        (b"hello", "not_json"),
        (b"\xff\xd8\xff\xe0 a picture", "not_json"),
        (b"[" * 100_000, "not_json"),
        (b'{"key": NaN}', "not_json"),
        (b"[]", "bad_field"),
        (b"{}", "bad_field"),
        (b'{"key": 12}', "bad_field"),
        (b'{"key": "frames/door/a.jpg", "captured_at": "2026-11-21T09:30:00"}', "bad_field"),
        (b'{"key": "frames/door/a.jpg", "width": "640"}', "bad_field"),
        (b'{"key": "' + b"x" * 200 * 1024 + b'"}', "bad_field"),
    ],
)
def test_a_payload_that_breaks_the_contract_is_rejected_at_once(
    payload: bytes, reason: str
) -> None:
    served, sent = run(event(payload))

    assert served == []
    assert refusal(sent).reason == reason
    assert len(sent[0][1]) < 4096


def test_a_rejection_is_counted() -> None:
    counted = Counted()

    handle(event(b"hello"), Served, MemoryResults, lambda: counted)

    assert counted.written == [{"Frames": 1, "Rejected": 1}]


def test_a_rejection_names_the_frame_if_it_can_be_told() -> None:
    said = refusal(run(event(b'{"key": "frames/door/a.jpg", "frame_id": "f9", "width": -1}'))[1])

    assert (said.frame_id, said.key) == ("f9", "frames/door/a.jpg")
    assert "width" in said.detail


def test_half_a_character_is_not_sent_back() -> None:
    said = refusal(run(event(b'{"key": "\\ud800", "frame_id": "\\ud800"}'))[1])

    assert (said.reason, said.frame_id, said.key) == ("bad_field", None, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        [],
        None,
        event(b"{}", topic="sightline/v1/door/results"),
        event(b"{}", topic="sightline/v1/a b/frames"),
        event(b"{}", topic=12),
        event(b"{}", payload="not base64!"),
        event(b"{}", payload=None),
        event(b"{}", received_ms="today"),
        event(b"{}", received_ms=True),
        event(b"{}", received_ms=10**30),
    ],
)
def test_an_event_that_is_not_the_rules_is_dropped_and_logged(
    wrong: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert run(wrong) == ([], [])
    assert "dropped" in caplog.text


def test_the_device_is_the_topics_whatever_the_client_says() -> None:
    [reference], _ = run(event(json.dumps({"key": KEY}).encode(), client="window"))

    assert reference.device == "door"


def test_a_service_that_cannot_be_built_tells_the_device_and_rises() -> None:
    results, counted = MemoryResults(), Counted()

    def build() -> Served:
        raise ModelError("arcface.onnx is missing; run ./run prepare")

    with pytest.raises(ModelError):
        handle(event(json.dumps({"key": KEY}).encode()), build, lambda: results, lambda: counted)

    assert counted.written == [{"Frames": 1, "Rejected": 1}]
    assert refusal(results.sent).reason == "internal"
    assert refusal(results.sent).key == KEY


@pytest.mark.parametrize("payload", [b'{"key": 3, "note": "hi"}', '{"ключ": 3}'.encode()])
def test_a_wrong_payloads_first_bytes_are_logged(
    payload: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    run(event(payload, client="sightline-operator-1"))

    assert ascii(payload.decode()) in caplog.text
    assert "sightline-operator-1" in caplog.text


def test_a_picture_is_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    picture = b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)) * 8
    in_base64 = b64encode(picture)
    run(event(picture))
    run(event(b'{"imgStr": "' + in_base64 + b'"}'))

    assert "JFIF" not in caplog.text
    assert in_base64[:40].decode() not in caplog.text
    assert "binary" in caplog.text


def test_a_payloads_end_may_cut_a_character() -> None:
    payload = b'{"a": "' + "ü".encode() * 200
    assert "binary" not in excerpt(payload)


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_no_payload_causes_an_error(payload: bytes) -> None:
    run(event(payload))


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=20) | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["key", "frame_id", "gate", "segment", "captured_at", "x"]),
                inner,
                max_size=5,
            )
        ),
        max_leaves=12,
    )
)
def test_no_json_causes_an_error(value: object) -> None:
    run(event(json.dumps(value).encode()))


@given(
    st.dictionaries(
        st.sampled_from(["payload", "topic", "client", "received_ms"]),
        st.text(max_size=20) | st.integers() | st.none(),
    )
)
def test_no_event_causes_an_error_but_ours(event: dict[str, Any]) -> None:
    with suppress(MessageError):
        read_event(event)
