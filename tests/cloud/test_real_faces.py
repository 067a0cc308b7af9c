"""Enrolment and recognition with the real networks, on the two portraits shipped with the tests."""

import io
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from cloud.enrolment import Enrolment, Photo
from cloud.gallery import GalleryCache
from cloud.intake import Reference
from cloud.memory import MemoryFrames, MemoryRegister, MemoryResults, MemorySightings
from cloud.people import People
from cloud.recognition import Ports, Recognition
from sightline.faces.detector import Detector
from sightline.faces.engines import Engine, load_engine
from sightline.faces.recognizer import Recognizer
from sightline.messages import FrameCaptured, FrameRecognized, decode

DATA = Path(__file__).parents[1] / "data"
RECORD = {"rank": "Rear Admiral"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """Loaded once."""

    engine: Engine
    recognizer: Recognizer


@pytest.fixture(scope="module")
def networks() -> Networks:
    engine = load_engine("dlib")
    return Networks(engine=engine, recognizer=Recognizer(Detector(), engine))


def now() -> datetime:
    return datetime.now(UTC)


def service(networks: Networks, register: MemoryRegister) -> People:
    enrolment = Enrolment(
        recognizer=networks.recognizer, engine=networks.engine, register=register, now=now
    )
    return People(register, now=now, examiner=enrolment)


def recognize(networks: Networks, register: MemoryRegister, frame: bytes) -> FrameRecognized:
    results = MemoryResults()
    ports = Ports(
        frames=MemoryFrames({"frames/door/1.jpg": frame}),
        sightings=MemorySightings(),
        results=results,
        gallery=GalleryCache(
            register, engine=networks.engine.id, dimension=networks.engine.dimension
        ),
        recognizer=networks.recognizer,
        engine=networks.engine,
    )
    recognition = Recognition(ports, sighting_days=1, now=now, sleep=lambda _: None)
    captured = FrameCaptured(key="frames/door/1.jpg")
    recognition.serve(Reference(device="door", captured=captured, received_at=now()))
    [(topic, payload)] = results.sent
    assert topic == "sightline/v1/door/results", payload
    return decode(FrameRecognized, payload)


def jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=85)
    return file.getvalue()


def hopper() -> Image.Image:
    return Image.open(DATA / "grace-hopper.jpg")


def collins() -> Image.Image:
    return Image.open(DATA / "eileen-collins.png")


@pytest.fixture
def register(networks: Networks) -> MemoryRegister:
    register = MemoryRegister()
    data = (DATA / "grace-hopper.jpg").read_bytes()
    photo = Photo(name="grace-hopper.jpg", data=data)
    added = service(networks, register).add("Grace Hopper", [photo], record=RECORD)
    assert added.accepted == 1, added.outcomes
    return register


def test_who_was_enrolled_is_recognised_with_her_record(
    networks: Networks, register: MemoryRegister
) -> None:
    frame = hopper().transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((400, 470))

    [face] = recognize(networks, register, jpeg(frame)).faces

    assert face.decision == "known"
    assert face.person is not None
    assert (face.person.name, face.person.record) == ("Grace Hopper", RECORD)
    assert face.distance is not None
    assert face.distance < 0.45


def test_who_was_not_enrolled_is_unknown(networks: Networks, register: MemoryRegister) -> None:
    answer = recognize(networks, register, (DATA / "eileen-collins.png").read_bytes())

    assert [face.decision for face in answer.faces] == ["unknown"]
    assert answer.width == 512


def test_of_two_in_one_frame_only_the_enrolled_one_is_named(
    networks: Networks, register: MemoryRegister
) -> None:
    both = Image.new("RGB", (1024, 600), "grey")
    both.paste(hopper().resize((512, 600)), (0, 0))
    both.paste(collins(), (512, 0))

    faces = recognize(networks, register, jpeg(both)).faces

    assert {(face.decision, face.box[0] < 512) for face in faces} == {
        ("known", True),
        ("unknown", False),
    }


def test_a_far_face_is_too_small_to_enrol_and_two_are_too_many(
    networks: Networks, register: MemoryRegister
) -> None:
    far = Image.new("RGB", (640, 480), "grey")
    far.paste(collins().resize((150, 150)), (200, 200))
    both = Image.new("RGB", (1024, 600), "grey")
    both.paste(hopper().resize((512, 600)), (0, 0))
    both.paste(collins(), (512, 0))
    soft = collins().filter(ImageFilter.GaussianBlur(12))
    photos = [
        Photo(name="far", data=jpeg(far)),
        Photo(name="both", data=jpeg(both)),
        Photo(name="plain", data=jpeg(Image.new("RGB", (640, 480), "grey"))),
        Photo(name="soft", data=jpeg(soft)),
        Photo(name="as-grace", data=jpeg(hopper())),
        Photo(name="good", data=jpeg(collins())),
    ]

    addition = service(networks, register).add("Eileen Collins", photos)

    said = {outcome.photo: outcome.reason for outcome in addition.outcomes}
    assert said["far"] in ("too_small", "no_face")
    assert said["both"] == "several_faces"
    assert said["plain"] == "no_face"
    assert said["soft"] in ("blurred", "no_face")
    assert said["as-grace"] == "like_another"
    assert said["good"] is None


def test_a_large_frame_is_looked_at_reduced_and_its_boxes_are_its_own(
    networks: Networks, register: MemoryRegister
) -> None:
    large = hopper().resize((2560, 3000), Image.Resampling.BICUBIC)

    answer = recognize(networks, register, jpeg(large))

    assert (answer.width, answer.height) == (2560, 3000)
    [face] = answer.faces
    assert face.decision == "known"
    [small] = recognize(networks, register, jpeg(hopper().resize((1280, 1500)))).faces
    np.testing.assert_allclose(face.box, [2 * value for value in small.box], atol=40)
