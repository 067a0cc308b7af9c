from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from infra import fonts
from infra.videos.result import PersonSeen, StillSeen, VideoResult, read_result
from infra.videos.sheet import best_stills, moment, sheet_of, write_sheet
from sightline.messages import Face, Person
from tests.infra.videos.memory import MemoryBucket, document

BEGIN = "2026-11-21T09:30:00Z"
GREEN, RED = (46, 204, 113), (231, 76, 60)


def face(name: str | None = None, box: tuple[int, int, int, int] = (200, 60, 150, 180)) -> Face:
    return Face(
        box=box,
        detection=0.99,
        decision="known" if name else "unknown",
        person=Person(id=name.lower(), name=name, record={}) if name else None,
        distance=0.31 if name else 0.9,
        margin=None,
        threshold=0.55,
    )


def still(number: int, *faces: Face) -> StillSeen:
    return StillSeen(key=f"a/{number:05}.jpg", offset_s=number / 2, faces=faces)


def seen(name: str, best: int) -> PersonSeen:
    return PersonSeen(
        id=name.lower(),
        name=name,
        first_seen_s=0,
        last_seen_s=9,
        frames=3,
        best_frame=f"a/{best:05}.jpg",
        smallest_distance=0.3,
    )


def result(stills: list[StillSeen], *people: PersonSeen) -> VideoResult:
    from dataclasses import replace
    from datetime import UTC, datetime
    from json import dumps

    said = document("a.mp4", b"a", datetime(2026, 11, 21, tzinfo=UTC))
    return replace(read_result(dumps(said).encode()), sightings=tuple(stills), people=tuple(people))


def stage_with(*numbers: int, size: tuple[int, int] = (360, 640)) -> MemoryBucket:
    stage = MemoryBucket()
    for number in numbers:
        picture = np.full((*size, 3), 90, np.uint8)
        stage.put_data(f"a/{number:05}.jpg", cv2.imencode(".jpg", picture)[1].tobytes())
    return stage


def where_is(colour: tuple[int, int, int], picture: Image.Image) -> np.ndarray:
    pixels = np.asarray(picture, np.int16)
    return np.argwhere((np.abs(pixels - colour) < 8).all(axis=2))


def test_the_best_still_of_each_person_is_chosen_first() -> None:
    stills = [still(i, face()) for i in range(1, 101)]
    chosen = best_stills(result(stills, seen("Ada", 47), seen("Grace", 93)), 6)

    offsets = [each.offset_s for each in chosen]
    assert {"a/00047.jpg", "a/00093.jpg"} <= {each.key for each in chosen}
    assert len(chosen) == 6
    assert offsets == sorted(offsets)
    assert offsets[0] == 0.5  # the others come from all over the video
    assert offsets[-1] == 50


def test_stills_without_faces_are_chosen_only_if_there_are_no_others() -> None:
    stills = [still(1), still(2, face()), still(3)]

    assert [each.key for each in best_stills(result(stills))] == ["a/00002.jpg"]
    assert len(best_stills(result([still(1), still(2)]))) == 2
    assert best_stills(result([])) == ()


def test_names_stand_under_faces(tmp_path: Path) -> None:
    stills = [still(1, face("Ada")), still(2, face())]
    stage = stage_with(1, 2)

    path = write_sheet(result(stills, seen("Ada", 1)), stage, tmp_path / "sheet.png")

    assert path is not None
    with Image.open(path) as picture:
        picture.load()
    assert picture.width == 2 * 420
    known, unknown = where_is(GREEN, picture), where_is(RED, picture)
    scale = 420 / 640
    box_bottom = round((60 + 180) * scale)
    assert abs(known[:, 0].min() - 60 * scale) < 3  # the frame around the face
    assert known[:, 0].max() > box_bottom + 4  # and below it the name
    assert known[:, 1].max() < 420  # in the still that Ada is in,
    assert unknown[:, 1].min() > 420  # and nobody in the other


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("Zoë Müller", True),
        ("Łukasz Ñúñez", True),
        ("علی رضا", True),
        ("Ада", True),
        ("王芳", False),
    ],
)
def test_a_name_is_drawn_whole_or_the_id_in_its_place(name: str, drawn: bool) -> None:
    named = replace(face(name), person=Person(id="ada", name=name, record={}))
    by_id = replace(face("ada"), person=Person(id="ada", name="ada", record={}))

    pictures = [sheet_of(result([still(1, each)]), stage_with(1)) for each in (named, by_id)]

    assert fonts.has(name) is drawn
    assert (pictures[0] == pictures[1]) is not drawn


def test_a_long_name_at_the_edge_stays_in_the_picture(tmp_path: Path) -> None:
    edge = face("Hubert Blaine Wolfeschlegelsteinhausen", box=(560, 60, 70, 180))

    picture = sheet_of(result([still(1, edge)]), stage_with(1))

    assert picture is not None
    words = [at for at in where_is(GREEN, picture) if at[0] > round(240 * 420 / 640) + 4]
    assert max(at[1] for at in words) < 418
    assert min(at[1] for at in words) < 200


def test_stills_that_are_gone_are_left_out() -> None:
    stills = [still(1, face()), still(2, face())]

    picture = sheet_of(result(stills), stage_with(2))

    assert picture is not None
    assert picture.width == 420
    assert sheet_of(result(stills), MemoryBucket()) is None


def test_upright_videos_keep_their_shape() -> None:
    picture = sheet_of(result([still(1, face())]), stage_with(1, size=(640, 360)))

    assert picture is not None
    assert picture.size == (420, round(420 * 640 / 360) + 30)


def test_times_are_written_as_players_do() -> None:
    assert [moment(each) for each in (0, 1.5, 59.96, 61, 3723.5)] == [
        "0:00.0",
        "0:01.5",
        "1:00.0",
        "1:01.0",
        "1:02:03.5",
    ]
