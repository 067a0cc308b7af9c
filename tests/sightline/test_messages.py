import contextlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.errors import MessageError
from sightline.messages import (
    MAX_PAYLOAD_BYTES,
    Command,
    CommandAnswer,
    Counters,
    DeviceStatus,
    Face,
    FrameCaptured,
    FrameRecognized,
    FrameRejected,
    Gate,
    Message,
    Person,
    Segment,
    decode,
    encode,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "messages"
KINDS: dict[str, type[Message]] = {
    "frame-captured": FrameCaptured,
    "frame-recognized": FrameRecognized,
    "frame-rejected": FrameRejected,
    "device-status": DeviceStatus,
    "command": Command,
}
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
devices = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
ids = st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True)
times = st.datetimes(timezones=st.just(UTC))
counts = st.integers(0, 2**53 - 1)
numbers = st.floats(allow_nan=False, allow_infinity=False)
records = st.dictionaries(
    texts,
    st.recursive(st.none() | st.booleans() | counts | numbers | texts, st.lists, max_leaves=5),
)
people = st.builds(Person, id=ids, name=texts, record=st.none() | records)
boxes = st.tuples(counts, counts, counts, counts)
shares = st.floats(0, 1)
faces = st.builds(
    Face,
    box=boxes,
    detection=shares,
    decision=st.just("known"),
    person=people,
    distance=numbers,
    margin=st.none() | numbers,
    threshold=numbers,
) | st.builds(
    Face,
    box=boxes,
    detection=shares,
    decision=st.sampled_from(["unknown", "unsure", "too_small", "blurred"]),
    person=st.none(),
    distance=st.none() | numbers,
    margin=st.none(),
    threshold=st.none() | numbers,
)
answers = st.builds(
    CommandAnswer,
    command=texts,
    outcome=st.sampled_from(["done", "expired", "refused", "merged", "repeated"]),
    at=times,
    command_id=st.none() | texts,
    detail=st.none() | texts,
    times=st.none() | counts,
)
messages = st.one_of(
    st.builds(
        FrameCaptured,
        key=texts,
        frame_id=ids,
        captured_at=st.none() | times,
        width=st.none() | st.integers(1, 9999),
        height=st.none() | st.integers(1, 9999),
        bytes=st.none() | st.integers(1, 9999),
        sha256=st.none() | texts,
        gate=st.none() | st.builds(Gate, motion=st.none() | shares, faces=st.none() | counts),
        segment=st.none() | st.builds(Segment, id=texts, offset_ms=counts),
        clock=st.sampled_from([None, "corrected", "unset"]),
    ),
    st.builds(
        FrameRecognized,
        frame_id=ids,
        device=devices,
        captured_at=times,
        recognized_at=times,
        width=counts,
        height=counts,
        faces=st.lists(faces, max_size=3).map(tuple),
        engine=texts,
        gallery=counts,
        repeat=st.booleans(),
        timings_ms=st.dictionaries(texts, numbers, max_size=3),
    ),
    st.builds(
        FrameRejected,
        frame_id=st.none() | ids,
        device=devices,
        reason=st.sampled_from(["not_json", "foreign_key", "internal"]),
        detail=texts,
        key=st.none() | texts,
    ),
    st.builds(
        DeviceStatus,
        device=devices,
        state=st.sampled_from(["online", "offline"]),
        at=times,
        version=texts,
        counters=st.none() | st.builds(Counters, captured=counts, dropped=counts),
        spooled=st.none() | counts,
        paused=st.none() | st.booleans(),
        detail=st.none() | texts,
        clock=st.sampled_from([None, "unset"]),
        commands=st.none() | st.lists(answers, max_size=3).map(tuple),
    ),
    st.builds(
        Command,
        command=st.sampled_from(["capture", "pause", "resume", "identify-yourself"]),
        command_id=st.none() | texts,
        expires_at=st.none() | times,
    ),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(messages)
def test_what_is_encoded_decodes_to_the_same(message: Message) -> None:
    assert decode(type(message), encode(message)) == message


@pytest.mark.parametrize("kind", KINDS.values())
@given(payload=st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_a_stranger_can_cause_no_error_but_ours(kind: type[Message], payload: bytes) -> None:
    with contextlib.suppress(MessageError):
        decode(kind, payload)


@given(message=messages, data=st.data())
def test_a_field_of_another_type_is_refused_or_read_as_it_stands(
    message: Message, data: st.DataObject
) -> None:
    fields = json.loads(encode(message))
    name = data.draw(st.sampled_from(sorted(fields)))
    fields[name] = data.draw(json_values)
    with contextlib.suppress(MessageError):
        decode(type(message), json.dumps(fields).encode())


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_a_golden_payload_is_read_and_written_as_it_was(path: Path) -> None:
    kind = next(kind for name, kind in KINDS.items() if path.stem.startswith(name))
    payload = path.read_bytes()

    message = decode(kind, payload)

    if path.stem == "frame-captured-typed-by-hand":  # its id is filled in from the key
        assert message == FrameCaptured(
            key="frames/front-door/2026/11/21/0193502b-7c1e-7a52-9f6e-0d6c1f6d2b11.jpg",
            frame_id="0193502b-7c1e-7a52-9f6e-0d6c1f6d2b11",
        )
    else:
        assert json.loads(encode(message)) == json.loads(payload)


def test_every_message_has_a_golden_payload() -> None:
    stems = [path.stem for path in GOLDEN.glob("*.json")]
    assert {name for name in KINDS if any(stem.startswith(name) for stem in stems)} == set(KINDS)


def test_unknown_fields_are_ignored() -> None:
    assert decode(Command, b'{"command": "pause", "mood": 7}') == Command(command="pause")


@pytest.mark.parametrize(
    ("payload", "reason", "said"),
    [
        (b"", "not_json", "not JSON"),
        (b"hello", "not_json", "not JSON"),
        (b"\xff\xd8\xff\xe0", "not_json", "not JSON"),
        (b'{"key": NaN}', "not_json", "NaN"),
        (b"[" * 100_000, "not_json", "nested too deeply"),
        (b'{"key":' * 10_000 + b"1" + b"}" * 10_000, "not_json", "nested too deeply"),
        (b"[]", "bad_field", "expected an object"),
        (b"null", "bad_field", "expected an object"),
        (b"{}", "bad_field", "key is missing"),
        (b'{"key": 7}', "bad_field", "key: expected a text, got 7"),
        (b'{"key": "\\ud800"}', "bad_field", "key: expected a text in Unicode"),
        (b'{"key": "a.jpg", "width": "1280"}', "bad_field", "width: expected a whole number"),
        (b'{"key": "a.jpg", "width": true}', "bad_field", "width: expected a whole number"),
        (b'{"key": "a.jpg", "width": 0}', "bad_field", "width: 0 is less than 1"),
        (b'{"key": "a.jpg", "gate": {"motion": "x"}}', "bad_field", "gate.motion: expected a num"),
        (b'{"key": "a.jpg", "gate": 4}', "bad_field", "gate: expected an object"),
        (b'{"key": "a.jpg", "segment": {"id": "s"}}', "bad_field", "segment.offset_ms is missing"),
        (b'{"key": "a.jpg", "captured_at": "yesterday"}', "bad_field", "captured_at: expected a"),
        (b'{"key": "a.jpg", "captured_at": "2026-11-21T09:30:00"}', "bad_field", "its offset"),
        (b'{"key": "a.jpg", "captured_at": "2026-13-21T09:30:00Z"}', "bad_field", "exists"),
        (b'{"key": "a.jpg", "frame_id": "a#b"}', "bad_field", "frame_id"),
        (b'{"key": ""}', "bad_field", "frame_id"),
        (b'{"key": "' + b"a" * 200 * 1024 + b'"}', "bad_field", "over the limit"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, (bytes, str)) else None,
)
def test_a_wrong_reference_is_refused_and_the_error_says_where(
    payload: bytes, reason: str, said: str
) -> None:
    with pytest.raises(MessageError) as caught:
        decode(FrameCaptured, payload)
    assert caught.value.reason == reason
    assert said in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_wrong_field_deep_inside_is_named_by_its_path() -> None:
    fields = json.loads((GOLDEN / "frame-recognized.json").read_bytes())
    fields["faces"][1]["box"] = [1, 2, 3]
    with pytest.raises(MessageError, match=r"faces\[1\]\.box: expected a list of 4"):
        decode(FrameRecognized, json.dumps(fields).encode())
    fields["faces"][1] |= {"box": [1, 2, 3, 4], "decision": "maybe"}
    with pytest.raises(MessageError, match=r"faces\[1\]\.decision: expected one of known, unkn"):
        decode(FrameRecognized, json.dumps(fields).encode())
    fields["faces"][1] |= {"decision": "known"}
    with pytest.raises(MessageError, match=r"faces\[1\]\.person: a face has one if it is known"):
        decode(FrameRecognized, json.dumps(fields).encode())


def test_a_time_with_another_offset_is_read_into_utc() -> None:
    command = decode(Command, b'{"command":"pause","expires_at":"2026-11-21T13:00:00.5+01:00"}')
    assert command.expires_at == NOON + timedelta(milliseconds=500)
    assert command.expires_at.tzinfo is UTC


def test_a_message_cannot_be_made_with_a_time_out_of_utc() -> None:
    here = timezone(timedelta(hours=1))
    with pytest.raises(MessageError, match="not in UTC"):
        Command(command="pause", expires_at=NOON.astimezone(here))
    with pytest.raises(MessageError, match="not in UTC"):
        Command(command="pause", expires_at=NOON.replace(tzinfo=None))


@pytest.mark.parametrize("device", ["", "a/b", "a+b", "ä", "a" * 65, "a b"])
def test_a_device_that_cannot_be_one_is_refused(device: str) -> None:
    with pytest.raises(MessageError, match="device"):
        DeviceStatus(device=device, state="online", at=NOON, version="1")


def test_a_face_that_contradicts_itself_cannot_be_made() -> None:
    ada = Person(id="ada", name="Ada", record={})
    known = Face(
        box=(1, 2, 3, 4),
        detection=0.9,
        decision="known",
        person=ada,
        distance=0.3,
        margin=None,
        threshold=0.55,
    )
    for change in ({"person": None}, {"decision": "unknown"}, {"distance": None}, {"detection": 2}):
        with pytest.raises(MessageError):
            replace(known, **change)  # type: ignore[arg-type]
    with pytest.raises(MessageError, match="out of the frame"):
        replace(known, box=(-1, 0, 3, 4))


def test_a_message_over_the_brokers_limit_is_not_written() -> None:
    with pytest.raises(MessageError, match="over the limit"):
        encode(FrameCaptured(key="a" * MAX_PAYLOAD_BYTES, frame_id="f"))


def test_a_record_that_json_cannot_hold_is_not_written() -> None:
    fields = json.loads((GOLDEN / "frame-recognized.json").read_bytes())
    message = decode(FrameRecognized, json.dumps(fields).encode())
    for record in ({"score": float("nan")}, {"photo": b"\xff"}, {"name": "\ud800"}):
        face = replace(message.faces[0], person=Person(id="a", name="A", record=record))
        with pytest.raises(MessageError, match="cannot be written"):
            encode(replace(message, faces=(face,)))


def test_names_stay_readable_in_the_console() -> None:
    rejected = FrameRejected(
        frame_id=None, device="tür".encode().hex(), reason="internal", detail="Grüße", key=None
    )
    assert "Grüße".encode() in encode(rejected)
