"""From frames to people, with the real networks and real photographs."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sightline.faces.detector import Detections
from sightline.faces.engines import Engine
from sightline.faces.image import Frame, decode
from sightline.faces.matcher import Gallery, Match, match
from sightline.faces.recognizer import Recognizer, Sight


class Finder:
    """Finds what it is told to."""

    def __init__(self, *boxes: tuple[float, float, float, float]) -> None:
        self._boxes = np.array(boxes, np.float32).reshape(-1, 4)

    def detect(self, frame: Frame) -> Detections:
        n = len(self._boxes)
        places = np.array(
            [[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32
        )
        sides = self._boxes[:, None, 2:] - self._boxes[:, None, :2]
        return Detections(
            boxes=self._boxes,
            probabilities=np.full(n, 0.875, np.float32),
            landmarks=self._boxes[:, None, :2] + places * sides,
        )


def gallery_of(sights: Iterable[tuple[str, Sight]], engine: Engine) -> Gallery:
    rows = [
        (person, face.embedding)
        for person, sight in sights
        for face in sight.faces
        if face.embedding is not None
    ]
    return Gallery(
        version=1,
        engine=engine.id,
        embeddings=np.stack([row for _, row in rows]),
        person_ids=tuple(person for person, _ in rows),
    )


def decide(sight: Sight, gallery: Gallery, engine: Engine) -> list[Match]:
    good = [face.embedding for face in sight.faces if face.embedding is not None]
    probes = np.stack(good) if good else np.empty((0, engine.dimension), np.float32)
    return match(
        probes, gallery, threshold=engine.threshold, margin=engine.margin, doubt=engine.doubt
    )


def test_a_portrait_has_one_good_face(recognizer: Recognizer, hopper: Frame) -> None:
    [face] = recognizer.see(hopper).faces

    x, y, width, height = face.box
    eyes = face.landmarks[:2]
    assert (eyes > [x, y]).all()
    assert (eyes < [x + width, y + height]).all()
    assert face.detection > 0.99
    assert face.quality.verdict == "good"
    assert face.embedding is not None
    assert face.embedding.shape == (128,)


ALTERED: dict[str, Callable[[Frame], Any]] = {
    "mirrored": lambda f: f[:, ::-1],
    "half as large": lambda f: cv2.resize(f, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "brighter": lambda f: np.clip(f * 1.4 + 20, 0, 255).astype(np.uint8),
    "darker": lambda f: (f * 0.4).astype(np.uint8),
    "noisy": lambda f: np.clip(f + np.random.default_rng(5).normal(0, 12, f.shape), 0, 255).astype(
        np.uint8
    ),
    "as a poor JPEG": lambda f: cv2.imdecode(
        cv2.imencode(".jpg", f, [cv2.IMWRITE_JPEG_QUALITY, 25])[1], cv2.IMREAD_COLOR
    ),
}


@pytest.mark.parametrize("how", ALTERED)
def test_grace_hopper_is_known_from_her_portrait(
    recognizer: Recognizer, hopper: Frame, how: str
) -> None:
    gallery = gallery_of([("grace-hopper", recognizer.see(hopper))], recognizer.engine)

    sight = recognizer.see(np.ascontiguousarray(ALTERED[how](hopper)))

    [found] = decide(sight, gallery, recognizer.engine)
    assert (found.decision, found.person_id) == ("known", "grace-hopper")


def test_eileen_collins_is_not_known_from_grace_hoppers_portrait(
    recognizer: Recognizer, hopper: Frame, collins: Frame
) -> None:
    gallery = gallery_of([("grace-hopper", recognizer.see(hopper))], recognizer.engine)

    [found] = decide(recognizer.see(collins), gallery, recognizer.engine)

    assert (found.decision, found.person_id) == ("unknown", None)
    assert found.distance is not None
    assert found.distance > recognizer.engine.threshold + recognizer.engine.doubt


STATED = {
    "alex-lacamoire.jpg": {"alex-lacamoire"},
    "kit-and-rose.jpg": {"kit-harington", "rose-leslie"},
    "kit-harington.jpg": {"kit-harington"},
    "obama-1080p.jpg": {"barack-obama"},
    "obama-240p.jpg": {"barack-obama"},
    "obama-3.jpg": {"barack-obama"},
    "obama-480p.jpg": {"barack-obama"},
    "obama-720p.jpg": {"barack-obama"},
    "obama-and-biden.jpg": {"barack-obama", "joe-biden"},
    "obama.jpg": {"barack-obama"},
    "rgba-32bit.png": {"barack-obama"},
    # Half of his face is cut off by the frame's edge: not to be known is honest, to be another not.
    "obama-partial.jpg": set(),
    "obama-partial-2.jpg": set(),
    "six-strangers.jpg": set(),
    "stranger-miranda.png": set(),
    "stranger-rudd.jpg": set(),
    "stranger-siegel.jpg": set(),
}


@pytest.mark.photographs
def test_everybody_stated_is_known_and_no_stranger_is(
    recognizer: Recognizer, photographs: Path
) -> None:
    enrolled = [
        (path.parent.name, recognizer.see(decode(path.read_bytes())))
        for path in sorted(photographs.glob("enrol/*/*"))
    ]
    gallery = gallery_of(enrolled, recognizer.engine)

    known = {}
    for path in sorted(photographs.glob("probe/*")):
        sight = recognizer.see(decode(path.read_bytes()))
        found = decide(sight, gallery, recognizer.engine)
        known[path.name] = {m.person_id for m in found if m.decision == "known"}

    assert known == STATED


def test_an_empty_frame_has_no_faces(recognizer: Recognizer) -> None:
    assert recognizer.see(np.zeros((90, 160, 3), np.uint8)).faces == ()


def test_a_face_too_small_is_not_embedded(engine: Engine, hopper: Frame) -> None:
    [face] = Recognizer(Finder((100, 100, 139.5, 180)), engine).see(hopper).faces

    assert face.quality.verdict == "too_small"
    assert face.quality.side_px == pytest.approx(39.5)
    assert face.embedding is None


def test_a_blurred_face_is_not_embedded(engine: Engine) -> None:
    grey = np.full((300, 300, 3), 128, np.uint8)

    [face] = Recognizer(Finder((100, 100, 180, 200)), engine).see(grey).faces

    assert face.quality.verdict == "blurred"
    assert face.embedding is None


def test_embeddings_stay_with_their_faces(engine: Engine, hopper: Frame) -> None:
    small, large = (10, 10, 30, 30), (150, 60, 370, 330)

    alone = Recognizer(Finder(large), engine).see(hopper).faces[0].embedding
    first, second, third = Recognizer(Finder(small, large, small), engine).see(hopper).faces

    assert first.embedding is None
    assert third.embedding is None
    assert alone is not None
    assert second.embedding is not None
    np.testing.assert_allclose(second.embedding, alone, atol=1e-6)


@pytest.mark.parametrize(
    ("box", "clipped"),
    [
        ((10.2, 20.8, 60.1, 99.5), (10, 20, 51, 80)),
        ((-8.5, -3.0, 50.0, 60.0), (0, 0, 50, 60)),
        ((150.0, 60.0, 260.0, 190.0), (150, 60, 50, 40)),
        ((-90.0, -90.0, -10.0, -10.0), (0, 0, 1, 1)),
        ((210.0, 110.0, 290.0, 190.0), (199, 99, 1, 1)),
    ],
)
def test_a_box_is_clipped_to_the_frame(
    engine: Engine, box: tuple[float, float, float, float], clipped: tuple[int, int, int, int]
) -> None:
    frame = np.zeros((100, 200, 3), np.uint8)

    assert Recognizer(Finder(box), engine).see(frame).faces[0].box == clipped


def test_the_time_each_step_took_is_told(engine: Engine) -> None:
    ticks = iter([10.0, 10.25, 11.0])

    sight = Recognizer(Finder(), engine, clock=lambda: next(ticks)).see(
        np.zeros((9, 9, 3), np.uint8)
    )

    assert (sight.detect_ms, sight.embed_ms) == (250, 750)


def test_a_seen_face_shows_no_embedding(recognizer: Recognizer, hopper: Frame) -> None:
    text = repr(recognizer.see(hopper))

    assert "embedding" not in text
    assert "array" not in text


def test_a_face_smaller_than_was_looked_for_is_left_out(engine: Engine, hopper: Frame) -> None:
    small, large = (300, 100, 339.5, 180), (100, 100, 180, 200)

    alone = Recognizer(Finder(large), engine).see(hopper).faces[0].embedding
    [face] = Recognizer(Finder(small, large, small), engine, smallest_face_px=40).see(hopper).faces

    assert face.box == (100, 100, 80, 100)
    assert alone is not None
    assert face.embedding is not None
    np.testing.assert_allclose(face.embedding, alone, atol=1e-6)
    assert Recognizer(Finder(small), engine, smallest_face_px=40).see(hopper).faces == ()
