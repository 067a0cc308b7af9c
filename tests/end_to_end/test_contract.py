"""The contract, spoken by a second MQTT implementation as the IoT console's test client would."""

import hashlib
import json
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from infra.demo.rehearsal import RECORD
from infra.local.lambda_service.stats import Stats
from infra.local.stack import LocalStack
from infra.provisioning.operators import broker_of
from infra.target import Target
from sightline.errors import MessageError
from sightline.messages import MAX_PAYLOAD_BYTES, FrameCaptured, FrameRecognized, FrameRejected
from sightline.topics import topic
from tests.end_to_end.actors import DATA, DEADLINE_S, Operator, new_key, one_line, run_command

pytestmark = pytest.mark.stack

GOLDEN = Path(__file__).parents[1] / "golden" / "messages"
PORTRAIT = (DATA / "grace-hopper.jpg").read_bytes()

Store = Callable[[str, bytes], None]


@pytest.fixture
def stats(stack: LocalStack, target: Target) -> Callable[[], Stats]:
    return lambda: stack.lambda_service.stats(target.output("RecognizeFunction"))


def sightings_of(target: Target, device: str) -> list[dict[str, Any]]:
    """A device's frames in the sightings table, less its guards and its people's rows."""
    answer = target.client("dynamodb").query(
        TableName=target.output("SightingsTable"),
        KeyConditionExpression="device = :device",
        ExpressionAttributeValues={":device": {"S": device}},
    )
    return [row for row in answer["Items"] if "result" in row]


def test_all_that_a_person_must_type_is_the_key(
    operator: Operator, store: Store, grace: str, thing: str
) -> None:
    key = new_key(thing)
    store(key, PORTRAIT)
    before = datetime.now(UTC)

    operator.send(thing, json.dumps({"key": key}))

    result = operator.recognized(Path(key).stem)
    assert result.device == thing
    assert (result.width, result.height, result.repeat) == (512, 600, False)
    # When the rule received it, for nobody said when it was taken; the broker's clock has ms.
    assert timedelta(seconds=-1) < result.captured_at - before < timedelta(seconds=DEADLINE_S)
    [face] = result.faces
    assert face.person is not None
    assert (face.person.id, face.person.name) == (grace, "Grace Hopper")
    assert face.person.record == RECORD
    assert face.distance is not None
    assert face.threshold is not None
    assert face.distance < face.threshold


def test_the_golden_payloads_are_served_as_they_stand_in_the_docs(
    operator: Operator, store: Store, grace: str
) -> None:
    by_hand = (GOLDEN / "frame-captured-typed-by-hand.json").read_bytes()
    whole = json.loads((GOLDEN / "frame-captured.json").read_bytes())
    store(json.loads(by_hand)["key"], PORTRAIT)

    operator.send("front-door", by_hand)
    first = operator.recognized(whole["frame_id"])
    other = whole | {"frame_id": str(uuid4()), "sha256": hashlib.sha256(PORTRAIT).hexdigest()}
    operator.send("front-door", json.dumps(other))
    second = operator.recognized(other["frame_id"])

    assert [face.decision for face in first.faces] == ["known"]
    assert second.faces == first.faces
    assert second.captured_at == datetime(2026, 11, 21, 9, 30, 0, 512_000, tzinfo=UTC)


def test_what_was_stored_must_be_what_was_sent(operator: Operator, store: Store) -> None:
    whole = json.loads((GOLDEN / "frame-captured.json").read_bytes())
    whole["frame_id"] = str(uuid4())
    store(whole["key"], PORTRAIT)

    operator.send("front-door", json.dumps(whole))

    rejected = operator.rejected(whole["frame_id"])
    assert rejected.reason == "bad_field"
    assert "sha256" in rejected.detail


def test_fields_that_a_newer_peer_adds_are_ignored(
    operator: Operator, store: Store, grace: str, thing: str
) -> None:
    key = new_key(thing)
    store(key, PORTRAIT)

    operator.send(thing, json.dumps({"key": key, "lens": {"focal_mm": 3.6}, "gate": {"ai": True}}))

    assert [face.decision for face in operator.recognized(Path(key).stem).faces] == ["known"]


BREACHES = {
    "a word": (b"hello", "not_json", "not JSON"),
    "nothing at all": (b"", "not_json", "not JSON"),
    "a picture": (PORTRAIT[:5000], "not_json", "not JSON"),
    "a number that JSON has not": (b'{"key": NaN}', "not_json", "NaN"),
    "brackets without end": (b"[" * 100_000, "not_json", "nested too deeply"),
    "deep nesting in a field": (
        b'{"key": "k", "x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        "not_json",
        "nested too deeply",
    ),
    "a list": (b"[]", "bad_field", "expected an object, got []"),
    "no key": (b'{"frame_id": "f-1"}', "bad_field", "key is missing"),
    "a key that is a number": (b'{"key": 12}', "bad_field", "key: expected a text, got 12"),
    "a width in quotes": (
        b'{"key": "frames/<thing>/1.jpg", "width": "1280"}',
        "bad_field",
        "width: expected a whole number, got '1280'",
    ),
    "a time without offset": (
        b'{"key": "frames/<thing>/1.jpg", "captured_at": "2026-11-21T09:30:00"}',
        "bad_field",
        "captured_at: expected a time such as",
    ),
    "half a character": (b'{"key": "\\ud800"}', "bad_field", "key: expected a text in Unicode"),
    "another device's frame": (
        b'{"key": "frames/front-door/2026/11/21/1.jpg"}',
        "foreign_key",
        "is not below frames/<thing>/",
    ),
    "a key that climbs": (
        b'{"key": "frames/<thing>/../front-door/1.jpg"}',
        "foreign_key",
        "is not below frames/<thing>/",
    ),
    "a key elsewhere": (
        b'{"key": "segments/<thing>/2026/11/21/1.mp4"}',
        "foreign_key",
        "is not below frames/<thing>/",
    ),
    "a key of no object": (
        b'{"key": "frames/<thing>/2026/11/21/nothing.jpg"}',
        "no_such_object",
        "there is no object 'frames/<thing>/2026/11/21/nothing.jpg'",
    ),
}


@pytest.mark.parametrize(("payload", "reason", "words"), BREACHES.values(), ids=BREACHES)
def test_a_breach_is_answered_once_in_words_a_person_can_act_on(
    operator: Operator,
    stats: Callable[[], Stats],
    settled: Callable[[], None],
    thing: str,
    payload: bytes,
    reason: str,
    words: str,
) -> None:
    settled()
    before = stats()

    operator.send(thing, payload.replace(b"<thing>", thing.encode()))
    rejected = operator.rejection_of(thing)

    assert rejected.reason == reason
    assert words.replace("<thing>", thing) in rejected.detail
    assert len(rejected.detail) <= 1000
    settled()
    # Behind anything that a second try could have sent.
    operator.send(f"{thing}-2", b"the end")
    operator.rejection_of(f"{thing}-2")
    assert len(operator.seen(lambda each: each.topic == topic(thing, "errors"))) == 1
    assert not operator.seen(lambda each: each.topic == topic(thing, "results"))
    settled()
    after = stats()
    assert (after.failed, after.retried, after.dead) == (before.failed, before.retried, before.dead)
    assert after.done == before.done + 2


def test_a_rejection_names_the_frame_and_the_key_if_they_can_be_told(
    operator: Operator, thing: str
) -> None:
    operator.send(thing, b'{"key": "frames/x/1.jpg", "frame_id": "f-1", "height": -1}')

    rejected = operator.rejected("f-1")

    assert rejected.key == "frames/x/1.jpg"
    assert rejected.reason == "bad_field"
    assert "height" in rejected.detail


def test_another_devices_frame_is_not_even_read(
    operator: Operator, store: Store, grace: str, thing: str
) -> None:
    theirs = new_key("front-door")
    store(theirs, PORTRAIT)

    operator.send(thing, FrameCaptured(key=theirs))
    operator.send("front-door", FrameCaptured(key=theirs))

    first, second = operator.answers(Path(theirs).stem, count=2)
    rejected, served = sorted((first, second), key=lambda each: isinstance(each, FrameRecognized))
    assert isinstance(rejected, FrameRejected)
    assert (rejected.device, rejected.reason) == (thing, "foreign_key")
    assert isinstance(served, FrameRecognized)
    assert served.device == "front-door"


@pytest.mark.parametrize("captured_at", [None, datetime(2026, 11, 21, 9, 30, tzinfo=UTC)])
def test_a_reference_that_comes_again_gets_the_same_answer_again(
    operator: Operator,
    store: Store,
    target: Target,
    grace: str,
    thing: str,
    captured_at: datetime | None,
) -> None:
    key = new_key(thing)
    captured = FrameCaptured(key=key, captured_at=captured_at)
    store(key, PORTRAIT)

    operator.send(thing, captured)
    operator.recognized(captured.frame_id)
    operator.send(thing, captured)
    first, second = operator.answers(captured.frame_id, count=2)

    assert isinstance(first, FrameRecognized)
    assert isinstance(second, FrameRecognized)
    assert (first.repeat, second.repeat) == (False, True)
    assert second.faces == first.faces
    assert second.recognized_at == first.recognized_at
    assert [row["frame_id"]["S"] for row in sightings_of(target, thing)] == [captured.frame_id]


def test_a_frame_is_the_same_whatever_time_its_references_give(
    operator: Operator, store: Store, target: Target, grace: str, thing: str
) -> None:
    key = new_key(thing)
    store(key, PORTRAIT)
    times: list[datetime | None] = [
        datetime(2026, 11, 21, 9, 30, tzinfo=UTC),
        datetime(2026, 11, 21, 9, 31, tzinfo=UTC),
        None,
    ]

    for count, captured_at in enumerate(times, start=1):
        operator.send(thing, FrameCaptured(key=key, captured_at=captured_at))
        answers = operator.answers(Path(key).stem, count=count)

    first, second, third = (each for each in answers if isinstance(each, FrameRecognized))
    assert (first.repeat, second.repeat, third.repeat) == (False, True, True)
    assert [face.decision for face in first.faces] == ["known"]
    assert first.faces == second.faces == third.faces
    assert first.captured_at == second.captured_at == third.captured_at == times[0]
    assert len(sightings_of(target, thing)) == 1


def test_of_references_delivered_at_the_same_moment_one_is_new(
    operator: Operator, store: Store, target: Target, grace: str, thing: str
) -> None:
    key = new_key(thing)
    captured = FrameCaptured(key=key, captured_at=datetime(2026, 11, 21, 9, 30, tzinfo=UTC))
    store(key, PORTRAIT)

    for _ in range(4):
        operator.send(thing, captured)
    answers = operator.answers(captured.frame_id, count=4)

    assert all(isinstance(each, FrameRecognized) for each in answers)
    assert sorted(each.repeat for each in answers if isinstance(each, FrameRecognized)) == [
        False,
        True,
        True,
        True,
    ]
    assert len(sightings_of(target, thing)) == 1


def test_a_message_as_large_as_the_limit_is_served(
    operator: Operator, store: Store, grace: str, thing: str
) -> None:
    key = new_key(thing)
    store(key, PORTRAIT)
    empty = json.dumps({"key": key, "padding": ""})

    operator.send(thing, empty.replace('""', f'"{"x" * (MAX_PAYLOAD_BYTES - len(empty))}"'))

    assert [face.decision for face in operator.recognized(Path(key).stem).faces] == ["known"]


def test_a_message_over_the_limit_is_refused_by_our_clients(
    operator: Operator, stack: LocalStack, thing: str
) -> None:
    large = json.dumps({"key": new_key(thing), "padding": "x" * 200 * 1024})

    with pytest.raises(MessageError, match=r"\d+ bytes are over the limit of 131072"):
        operator.send(thing, large)
    with pytest.raises(MessageError, match="over the limit of 131072"):
        operator.send(thing, FrameCaptured(key="frames/" + "x" * 200 * 1024, frame_id="f-1"))

    done = run_command(stack.settings.state, "publish", topic(thing, "frames"), "-", stdin=large)
    assert done.status == 2
    assert "over the limit of 131072" in one_line(done.err)


def test_a_message_over_the_limit_is_refused_by_the_broker(
    operator: Operator, stack: LocalStack, target: Target, thing: str
) -> None:
    broker = broker_of(target, stack.settings.state / "operator", lambda _: None)
    context = ssl.create_default_context(cafile=str(broker.ca))
    context.load_cert_chain(broker.certificate, broker.private_key)
    client = paho.Client(
        CallbackAPIVersion.VERSION2, broker.client_id, protocol=MQTTProtocolVersion.MQTTv5
    )
    client.tls_set_context(context)
    ended = threading.Event()
    acknowledged: list[ReasonCode] = []

    def publish(*_: Any) -> None:
        payload = b'{"key": "' + b"x" * 200 * 1024 + b'"}'
        client.publish(topic(thing, "frames"), payload, qos=1)

    def note_answer(
        _client: paho.Client, _data: Any, _mid: int, reason: ReasonCode, _properties: Any
    ) -> None:
        acknowledged.append(reason)

    def end(*_: Any) -> None:
        client.disconnect()  # else it would come back
        ended.set()

    client.on_connect = publish
    client.on_publish = note_answer
    client.on_disconnect = end
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        assert ended.wait(DEADLINE_S), "it stayed connected"
    finally:
        client.loop_stop()

    assert not [reason for reason in acknowledged if not reason.is_failure]
    operator.send(f"{thing}-2", b"the end")
    operator.rejection_of(f"{thing}-2")
    assert not operator.seen(lambda each: each.topic.startswith(f"sightline/v1/{thing}/"))
