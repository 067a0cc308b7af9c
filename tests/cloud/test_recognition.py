"""Every branch of a frame's way, with the networks and AWS stood in for."""

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from cloud.fetching import FrameStore
from cloud.gallery import GalleryCache
from cloud.intake import Reference
from cloud.memory import MemoryFrames, MemoryRegister, MemoryResults, MemorySightings
from cloud.people import People
from cloud.recognition import Ports, Recognition
from cloud.register import Change
from cloud.sightings import Sighting, Sightings
from sightline.errors import ConfigError, MissingError, ModelError, TransportError
from sightline.faces.image import Frame
from sightline.faces.recognizer import Sight
from sightline.messages import (
    MAX_PAYLOAD_BYTES,
    FrameCaptured,
    FrameRecognized,
    FrameRejected,
    decode,
)
from tests.cloud.fakes import (
    BLUE,
    GREEN,
    GREY,
    NOON,
    RED,
    WHITE,
    Clock,
    Counted,
    FakeEngine,
    FakeRecognizer,
    a_face,
    a_person,
    picture,
    seen_face,
)

KEY = "frames/door/2026/11/21/f1.jpg"
CROWD = tuple(seen_face(i + 1, 0, 0, 0, x=i) for i in range(60))

WHO_IS_IN = {
    RED: [seen_face(1, 0, 0, 0)],  # Ada, as enrolled
    GREEN: [seen_face(0, 1, 0, 0)],  # nobody
    BLUE: [
        seen_face(0.9, 0, 0, 0),
        seen_face(1, 0.2, 0, 0, x=30),
        seen_face(verdict="too_small", side_px=20),
        seen_face(verdict="blurred"),
    ],
    GREY: CROWD,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything around one `Recognition`."""

    frames: MemoryFrames
    register: MemoryRegister
    sightings: MemorySightings
    results: MemoryResults
    recognizer: FakeRecognizer
    clock: Clock
    metrics: Counted

    def recognition(
        self,
        frames: FrameStore | None = None,
        sightings: Sightings | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> Recognition:
        engine = FakeEngine()
        ports = Ports(
            frames=frames or self.frames,
            sightings=sightings or self.sightings,
            results=self.results,
            gallery=GalleryCache(self.register, engine=engine.id, dimension=engine.dimension),
            recognizer=self.recognizer,
            engine=engine,
            metrics=self.metrics,
        )
        clock = self.clock
        return Recognition(ports, sighting_days=90, now=clock.now, sleep=sleep or clock.sleep)

    def answer(self) -> FrameRecognized:
        """Return the last message, which must be a result."""
        topic, payload = self.results.sent[-1]
        assert topic == "sightline/v1/door/results"
        return decode(FrameRecognized, payload)

    def refusal(self) -> FrameRejected:
        """Return the only message, which must be a rejection."""
        [(topic, payload)] = self.results.sent
        assert topic == "sightline/v1/door/errors"
        return decode(FrameRejected, payload)


@pytest.fixture
def world() -> World:
    world = World(
        frames=MemoryFrames(),
        register=MemoryRegister(),
        sightings=MemorySightings(),
        results=MemoryResults(),
        recognizer=FakeRecognizer(WHO_IS_IN),
        clock=Clock(),
        metrics=Counted(),
    )
    enrol(world, "ada-lovelace", (1, 0, 0, 0))
    return world


def enrol(world: World, person_id: str, embedding: tuple[float, ...], **changes: object) -> None:
    world.register.write(
        Change(
            person_id=person_id,
            expected=None,
            person=a_person(person_id, **changes),
            added=(a_face(person_id, "1", embedding),),
        )
    )


def reference(key: str = KEY, **fields: object) -> Reference:
    given = {"captured_at": NOON - timedelta(seconds=1), **fields}
    captured = FrameCaptured(key=key, **given)  # type: ignore[arg-type]
    return Reference(
        device="door", captured=captured, received_at=NOON - timedelta(milliseconds=250)
    )


def test_a_known_face_is_answered_with_its_record(world: World) -> None:
    world.frames.put(KEY, picture(RED))

    world.recognition().serve(reference())

    answer = world.answer()
    assert (answer.frame_id, answer.device) == ("f1", "door")
    assert (answer.width, answer.height) == (64, 48)
    assert (answer.engine, answer.gallery, answer.repeat) == ("fake@1", 1, False)
    assert answer.captured_at == NOON - timedelta(seconds=1)
    [face] = answer.faces
    assert face.decision == "known"
    assert face.person is not None
    assert face.person.id == "ada-lovelace"
    assert face.person.record == a_person().record
    assert (face.box, face.detection) == ((10, 5, 20, 25), 0.9981)
    assert (face.distance, face.margin, face.threshold) == (0.0, None, 0.5)


def test_every_stage_is_timed(world: World) -> None:
    world.frames.put(KEY, picture(RED))

    world.recognition().serve(reference())

    timings = world.answer().timings_ms
    stages = {"queue", "find", "fetch", "decode", "detect", "embed", "people", "match", "store"}
    assert set(timings) == stages
    assert timings["queue"] == 250
    assert (timings["detect"], timings["embed"]) == (3, 2)


def test_a_stranger_is_unknown_and_says_how_far_off(world: World) -> None:
    enrol(world, "grace-hopper", (0, 0, 2, 0))
    world.frames.put(KEY, picture(GREEN))

    world.recognition().serve(reference())

    [face] = world.answer().faces
    assert (face.decision, face.person) == ("unknown", None)
    assert face.distance == pytest.approx(2**0.5, abs=1e-4)
    assert face.margin == pytest.approx(5**0.5 - 2**0.5, abs=1e-4)
    assert face.threshold == 0.5


def test_with_nobody_enrolled_everybody_is_unknown(world: World) -> None:
    People(world.register, now=world.clock.now).remove("ada-lovelace")
    world.frames.put(KEY, picture(RED))

    world.recognition().serve(reference())

    [face] = world.answer().faces
    assert face.decision == "unknown"
    assert (face.distance, face.margin, face.threshold) == (None, None, None)


def test_each_face_has_its_own_decision_and_one_person_is_there_once(world: World) -> None:
    world.frames.put(KEY, picture(BLUE))

    world.recognition().serve(reference())

    faces = world.answer().faces
    assert [face.decision for face in faces] == ["known", "unsure", "too_small", "blurred"]
    assert faces[1].person is None
    assert faces[1].distance == pytest.approx(0.2, abs=1e-4)
    assert [face.distance for face in faces[2:]] == [None, None]
    assert [face.threshold for face in faces] == [0.5, 0.5, None, None]


def test_an_empty_picture_is_answered_with_no_face(world: World) -> None:
    world.frames.put(KEY, picture(WHITE))

    world.recognition().serve(reference())

    assert world.answer().faces == ()


def test_who_is_added_is_recognised_by_the_next_frame(world: World) -> None:
    recognition = world.recognition()
    for number in (1, 2):
        world.frames.put(f"frames/door/{number}.jpg", picture(GREEN))
    recognition.serve(reference("frames/door/1.jpg"))
    assert world.answer().faces[0].decision == "unknown"

    enrol(world, "grace-hopper", (0, 1, 0, 0))
    recognition.serve(reference("frames/door/2.jpg"))

    [face] = world.answer().faces
    assert face.person is not None
    assert face.person.id == "grace-hopper"
    assert world.answer().gallery == 2


def test_who_is_removed_is_not_named_in_the_next_frame(world: World) -> None:
    recognition = world.recognition()
    world.frames.put("frames/door/1.jpg", picture(RED))
    world.frames.put("frames/door/2.jpg", picture(RED))
    recognition.serve(reference("frames/door/1.jpg"))

    People(world.register, now=world.clock.now).remove("ada-lovelace")
    recognition.serve(reference("frames/door/2.jpg"))

    assert world.answer().faces[0].person is None


def test_a_reference_that_comes_again_gets_the_first_answer_again(world: World) -> None:
    world.frames.put(KEY, picture(RED))
    recognition = world.recognition()
    recognition.serve(reference())
    first = world.answer()
    enrol(world, "grace-hopper", (1, 0, 0, 0))

    recognition.serve(reference())

    again = world.answer()
    assert again.repeat
    assert world.recognizer.seen == 1
    # Only the time that storing took is not kept with what was stored.
    timings = {k: v for k, v in first.timings_ms.items() if k != "store"}
    assert again == replace(first, repeat=True, timings_ms=timings)


def test_a_key_typed_twice_without_a_time_is_recognised_once(world: World) -> None:
    world.frames.put(KEY, picture(RED))
    recognition = world.recognition()
    typed = reference(captured_at=None)
    recognition.serve(typed)
    assert world.answer().captured_at == typed.received_at

    recognition.serve(replace(typed, received_at=NOON + timedelta(minutes=1)))

    assert world.answer().repeat
    assert world.recognizer.seen == 1


def test_a_frame_sent_again_with_another_time_is_recognised_once(world: World) -> None:
    world.frames.put(KEY, picture(RED))
    recognition = world.recognition()
    recognition.serve(reference())
    first = world.answer()

    recognition.serve(reference(captured_at=NOON + timedelta(hours=1)))

    assert world.answer().repeat
    assert world.answer().captured_at == first.captured_at
    assert world.recognizer.seen == 1


class Racing:
    """Finds nothing, and then somebody else was faster."""

    def __init__(self, winner: FrameRecognized) -> None:
        self._winner = winner

    def find(self, device: str, frame_id: str) -> FrameRecognized | None:
        return None

    def keep(self, sighting: Sighting) -> FrameRecognized | None:
        return self._winner


def test_the_slower_of_two_at_once_sends_the_fasters_answer(world: World) -> None:
    world.frames.put(KEY, picture(RED))
    world.recognition().serve(reference())
    winner = replace(world.answer(), gallery=99)

    world.recognition(sightings=Racing(winner)).serve(reference())

    assert world.answer() == replace(winner, repeat=True)


class LostAnswer(MemorySightings):
    """Keeps a sighting, but the first try's answer is lost, and the SDK tries again."""

    def keep(self, sighting: Sighting) -> FrameRecognized | None:
        super().keep(sighting)
        return super().keep(sighting)


def test_its_own_sighting_is_nobody_elses(world: World) -> None:
    world.frames.put(KEY, picture(RED))

    world.recognition(sightings=LostAnswer()).serve(reference())

    assert not world.answer().repeat


class BrokenResults(MemoryResults):
    """Takes nothing until it is mended."""

    broken = True

    def publish(self, message: FrameRecognized | FrameRejected) -> None:
        if self.broken:
            raise TransportError("the broker does not answer")
        super().publish(message)


def test_a_crash_between_storing_and_publishing_loses_nothing(world: World) -> None:
    results = BrokenResults()
    broken = replace(world, results=results)
    broken.frames.put(KEY, picture(RED))
    with pytest.raises(TransportError):
        broken.recognition().serve(reference())

    results.broken = False
    broken.recognition().serve(reference())  # as Lambda does after a minute

    assert broken.answer().repeat
    assert broken.answer().faces[0].decision == "known"
    assert broken.recognizer.seen == 1


@pytest.mark.parametrize(
    "key",
    [
        "frames/window/2026/11/21/f1.jpg",
        "frames/door/../window/f1.jpg",
        "frames/door",
        "segments/door/f1.mp4",
        "/frames/door/f1.jpg",
        "frames/doors/f1.jpg",
    ],
)
def test_a_key_that_is_not_the_devices_own_is_foreign(world: World, key: str) -> None:
    world.frames.put(key, picture(RED))

    world.recognition().serve(reference(key, frame_id="f1"))

    refusal = world.refusal()
    assert (refusal.reason, refusal.key, refusal.frame_id) == ("foreign_key", key, "f1")
    assert "frames/door/" in refusal.detail
    assert world.recognizer.seen == 0


def test_who_asks_directly_is_answered_directly(world: World) -> None:
    world.frames.put(KEY, picture(RED))
    recognition = world.recognition()

    first, again = recognition.answer(reference()), recognition.answer(reference())
    missing = recognition.answer(reference(KEY.replace("/f", "/g"), frame_id="g"))

    assert isinstance(first, FrameRecognized)
    assert [face.person.id for face in first.faces if face.person] == ["ada-lovelace"]
    assert isinstance(again, FrameRecognized)
    assert (again.repeat, again.frame_id) == (True, first.frame_id)
    assert isinstance(missing, FrameRejected)
    assert missing.reason == "no_such_object"
    assert world.results.sent == []
    assert world.recognizer.seen == 1


def test_without_a_look_back_the_earlier_answer_is_given_all_the_same(world: World) -> None:
    world.frames.put(KEY, picture(RED))
    recognition = world.recognition()
    first = recognition.answer(reference(), look_back=False)
    enrol(world, "bob-noyce", (1, 0, 0, 0))

    again = recognition.answer(reference(), look_back=False)

    assert isinstance(first, FrameRecognized)
    assert isinstance(again, FrameRecognized)
    assert (again.repeat, again.faces, again.gallery) == (True, first.faces, first.gallery)
    assert world.recognizer.seen == 2


def test_several_are_answered_each_as_if_it_were_alone(world: World) -> None:
    keys = {name: KEY.replace("f1", name) for name in ("f1", "f2", "f3", "f4", "f5")}
    for name, colour in (("f1", RED), ("f2", GREEN), ("f4", RED), ("f5", RED)):
        world.frames.put(keys[name], picture(colour))
    recognition, some = world.recognition(), [reference(key) for key in keys.values()]
    before = recognition.answer(some[0])
    enrol(world, "bob-noyce", (0, 1, 0, 0))

    with ThreadPoolExecutor(3) as pool:
        answers = recognition.answer_all(some, pool=pool)
        again = recognition.answer_all(some[:2], look_back=False, pool=pool)

    assert isinstance(before, FrameRecognized)
    assert answers[0] == replace(before, repeat=True, timings_ms=answers[0].timings_ms)
    assert [
        each.reason
        if isinstance(each, FrameRejected)
        else [face.person.id for face in each.faces if face.person]
        for each in answers
    ] == [["ada-lovelace"], ["bob-noyce"], "no_such_object", ["ada-lovelace"], ["ada-lovelace"]]
    assert [world.sightings.find("door", name) for name in ("f2", "f4", "f5")] == [
        answers[1],
        *answers[3:],
    ]
    assert [isinstance(each, FrameRecognized) and each.repeat for each in again] == [True, True]
    assert world.recognizer.seen == 1 + 3 + 2
    assert len(world.metrics.written) == 1 + 5 + 2
    assert world.results.sent == []


class Looking(FakeRecognizer):
    """While it looks at a first frame, waits for a second one to be fetched, and looked at."""

    def __init__(self) -> None:
        super().__init__(WHO_IS_IN)
        self.fetched = threading.Semaphore(0)
        self.at_once: list[bool] = []
        self._inside = threading.Semaphore(0)

    def see(self, frame: Frame) -> Sight:
        if not self.at_once:
            self.at_once.append(False)
            assert all(self.fetched.acquire(timeout=20) for _ in range(2))
            self.at_once[0] = self._inside.acquire(timeout=0.2)  # it has no reason to wait
        self._inside.release()
        return super().see(frame)


class Told(MemoryFrames):
    def __init__(self, fetched: threading.Semaphore) -> None:
        super().__init__()
        self._fetched = fetched

    def get(self, key: str) -> bytes:
        self._fetched.release()
        return super().get(key)


def test_while_the_networks_look_at_a_frame_others_are_fetched_and_none_is_looked_at(
    world: World,
) -> None:
    looking = Looking()
    world = replace(world, recognizer=looking, frames=Told(looking.fetched))
    other = KEY.replace("/f1", "/f2")
    world.frames.put(KEY, picture(RED))
    world.frames.put(other, picture(GREEN))
    recognition = world.recognition()

    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(recognition.answer, (reference(), reference(other))))

    assert all(isinstance(answer, FrameRecognized) for answer in answers)
    assert (looking.at_once, looking.seen) == ([False], 2)


def test_a_key_too_long_to_be_one_is_not_sent_back(world: World) -> None:
    world.recognition().serve(reference("x" * 100_000, frame_id="f1"))

    assert (world.refusal().reason, world.refusal().key) == ("foreign_key", None)


def test_a_missing_object_is_looked_for_again_and_then_rejected(world: World) -> None:
    world.recognition().serve(reference())

    assert world.clock.slept == [0.2, 0.5]
    refusal = world.refusal()
    assert (refusal.reason, refusal.key) == ("no_such_object", KEY)
    assert KEY in refusal.detail


def test_an_object_that_comes_late_is_served(world: World) -> None:
    def comes(_seconds: float) -> None:
        world.frames.put(KEY, picture(RED))

    world.recognition(sleep=comes).serve(reference())

    assert world.answer().faces[0].decision == "known"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not_an_image"),
        (b"hello", "not_an_image"),
        (picture(RED)[:60], "not_an_image"),
        (bytes(20_000_001), "too_large"),
        (b"%PDF-1.7 not one that we read", "unsupported_format"),
    ],
)
def test_what_is_no_frame_is_rejected_at_once(world: World, data: bytes, reason: str) -> None:
    world.frames.put(KEY, data)

    world.recognition().serve(reference())

    assert world.refusal().reason == reason
    assert world.refusal().frame_id == "f1"
    assert world.clock.slept == []


def test_a_digest_that_is_not_the_objects_is_a_bad_field(world: World) -> None:
    world.frames.put(KEY, picture(RED))

    world.recognition().serve(reference(sha256="0" * 64))

    assert world.refusal().reason == "bad_field"
    assert "sha256" in world.refusal().detail


def test_the_objects_own_digest_is_accepted(world: World) -> None:
    world.frames.put(KEY, picture(RED))
    digest = hashlib.sha256(picture(RED)).hexdigest().upper()

    world.recognition().serve(reference(sha256=digest))

    assert world.answer().faces[0].decision == "known"


class Failing:
    """A store of frames that raises what it was given."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def get(self, key: str) -> bytes:
        raise self._error


def test_what_a_retry_may_mend_rises_and_says_nothing(world: World) -> None:
    with pytest.raises(TransportError, match="slow down"):
        world.recognition(Failing(TransportError("slow down"))).serve(reference())
    assert world.results.sent == []


@pytest.mark.parametrize("error", [ConfigError("no such bucket"), ModelError("no such network")])
def test_a_wrong_set_up_rises_and_tells_the_device(world: World, error: Exception) -> None:
    with pytest.raises(type(error)):
        world.recognition(Failing(error)).serve(reference())

    assert world.refusal().reason == "internal"
    assert str(error) not in world.refusal().detail


def test_a_result_over_the_limit_leaves_the_records_out(world: World) -> None:
    record = {"text": "x" * 3900}
    for number in range(2, 61):
        enrol(world, f"person-{number}", (number, 0, 0, 0), record=record)
    world.frames.put(KEY, picture(GREY))

    world.recognition().serve(reference())

    answer = world.answer()
    assert len(answer.faces) == 60
    assert {face.decision for face in answer.faces} == {"known"}
    assert all(face.person and face.person.record is None for face in answer.faces)
    assert len(world.results.sent[-1][1]) <= MAX_PAYLOAD_BYTES


def test_a_frame_of_more_faces_than_a_message_takes_keeps_the_known_ones(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    crowd = [*[seen_face(verdict="too_small")] * 1500, seen_face(1, 0, 0, 0)]
    full = replace(world, recognizer=FakeRecognizer({RED: crowd}))
    full.frames.put(KEY, picture(RED))

    full.recognition().serve(reference())

    assert full.answer().faces[0].decision == "known"
    assert 100 < len(full.answer().faces) < 1501
    assert "faces are left out" in caplog.text


def test_no_record_and_no_embedding_is_logged(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.frames.put(KEY, picture(RED))
    with caplog.at_level("DEBUG"):
        world.recognition().serve(reference())

    assert "1 known" in caplog.text
    assert "f1" in caplog.text
    assert "Mathematics" not in caplog.text
    assert "[1." not in caplog.text


def test_warming_up_reads_the_gallery_and_runs_the_networks(world: World) -> None:
    recognition = world.recognition()

    recognition.warm_up()

    assert world.recognizer.seen == 1
    assert world.results.sent == []


class Unreachable(MemoryRegister):
    """A register that does not answer."""

    def version(self) -> int:
        raise TransportError("no answer")


def test_a_register_out_of_reach_does_not_keep_it_from_starting(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    replace(world, register=Unreachable()).recognition().warm_up()

    assert "no answer" in caplog.text


def test_missing_is_a_kind_of_transport_error_for_everybody_else() -> None:
    assert issubclass(MissingError, TransportError)


def test_what_was_decided_is_counted_without_a_name(world: World) -> None:
    world.frames.put(KEY, picture(BLUE))

    world.recognition().serve(reference())

    [values] = world.metrics.written
    decisions = {"Known": 1, "Unsure": 1, "TooSmall": 1, "Blurred": 1}
    assert values.items() > {"Frames": 1, "Faces": 4, "ResultAge": 1000, **decisions}.items()
    assert 5 <= values["Recognize"] < 1000  # the fake's 3 + 2 ms, and decoding


def test_the_second_answer_and_the_refusal_are_counted_as_such(world: World) -> None:
    world.frames.put(KEY, picture(RED))
    recognition = world.recognition()

    recognition.serve(reference())
    recognition.serve(reference())
    recognition.serve(reference("frames/window/f1.jpg"))

    assert world.metrics.written[1:] == [
        {"Frames": 1, "Repeats": 1},
        {"Frames": 1, "Rejected": 1},
    ]


@pytest.mark.parametrize(
    "captured_at", [None, NOON + timedelta(seconds=1), NOON - timedelta(minutes=10, seconds=1)]
)
def test_an_age_that_a_wrong_clock_made_up_is_not_counted(
    world: World, captured_at: datetime | None
) -> None:
    world.frames.put(KEY, picture(RED))

    world.recognition().serve(reference(captured_at=captured_at))

    [values] = world.metrics.written
    assert "ResultAge" not in values
    assert (values["Frames"], values["Known"]) == (1, 1)


def test_a_frame_that_is_tried_again_later_is_not_counted_yet(world: World) -> None:
    class Away(MemoryFrames):
        def get(self, key: str) -> bytes:
            raise TransportError("S3 did not answer")

    with pytest.raises(TransportError):
        world.recognition(frames=Away()).serve(reference())

    assert world.metrics.written == []
