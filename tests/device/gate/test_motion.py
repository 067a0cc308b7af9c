import numpy as np
import pytest

from device.cameras.camera import Image
from device.gate.motion import Change, Motion
from device.gate.settings import MotionSettings
from infra.gating.scenes import Light, scene
from tests.device.gate.scenery import Room


def changes(motion: Motion, frames: list[tuple[Image, float]]) -> list[Change]:
    return [motion.see(image, at_s) for image, at_s in frames]


def motion(**settings: float) -> Motion:
    return Motion(MotionSettings(**settings))


def seen(room: Room, moving: Motion, start_s: float, seconds: float) -> list[Change]:
    return [moving.see(each.image, each.captured_s) for each in room.empty(start_s, seconds)]


@pytest.mark.parametrize("noise", [0.0, 3.0, 6.0, 12.0])
def test_nothing_moves_in_an_empty_room_however_the_sensor_is(noise: float) -> None:
    moving = motion()
    found = [moving.see(each.image, each.at_s) for each in scene(20, noise=noise)]

    assert found[0].first
    assert not any(each.moved or each.present for each in found)


@pytest.mark.parametrize("drift", [0.02, 0.2])
def test_light_that_drifts_is_no_motion(drift: float) -> None:
    moving = motion()
    found = [
        moving.see(each.image, each.at_s) for each in scene(60, light=Light(drift=drift), fps=5)
    ]

    assert not any(each.moved or each.present for each in found)


@pytest.mark.parametrize("brightness", [0.03, 0.3, 0.7, 1.4])
def test_a_light_that_is_switched_is_told_from_motion(brightness: float) -> None:
    room, moving = Room(), motion()
    seen(room, moving, 0, 5)
    switched = [moving.see(room.frame(light=brightness), 5 + i / 10) for i in range(80)]
    back = [moving.see(room.frame(), 13 + i / 10) for i in range(80)]

    assert switched[0].light
    assert not any(each.moved or each.present for each in [*switched, *back])


def test_another_picture_altogether_is_motion_and_no_light() -> None:
    moving = motion()
    seen(Room(seed=1), moving, 0, 5)
    other = Room(seed=2)
    first, second = (moving.see(other.frame(), at_s) for at_s in (5.0, 5.1))

    assert not first.light
    assert first.moved
    assert first.share > 0.3
    assert second.present


def test_a_lamp_that_flickers_does_not_hide_motion_for_long() -> None:
    room, moving = Room(), motion()
    seen(room, moving, 0, 20)
    found = [
        moving.see(room.frame(light=1 if i % 2 else 0.5, square=i % 100), 20 + 0.5 * i)
        for i in range(40)
    ]

    assert sum(each.moved for each in found) > 20


def test_who_walks_moves_and_who_stands_is_present() -> None:
    room, moving = Room(), motion()
    seen(room, moving, 0, 10)
    walking = [moving.see(each.image, each.captured_s) for each in room.walking(10, 2)]
    standing = [moving.see(each.image, each.captured_s) for each in room.standing(12, 60)]

    assert all(each.moved for each in walking)
    assert all(each.present for each in standing)
    assert not any(each.moved for each in standing[30:])
    assert walking[10].share == pytest.approx(60 * 40 / (120 * 160), rel=0.15)


def test_who_has_left_leaves_nothing_behind() -> None:
    room, moving = Room(), motion()
    seen(room, moving, 0, 10)
    for each in room.standing(10, 60):
        moving.see(each.image, each.captured_s)

    assert not any(each.present for each in seen(room, moving, 70, 10))


def test_a_chair_that_was_moved_becomes_part_of_the_room_and_its_old_place_too() -> None:
    room, moving = Room(), motion(absorb_s=20)
    seen(room, moving, 0, 30)
    stood = [moving.see(each.image, each.captured_s) for each in room.standing(30, 30)]
    gone = seen(room, moving, 60, 10)

    assert stood[150].present
    assert not any(each.present for each in stood[220:])
    assert not any(each.present for each in gone)


def test_who_was_there_from_the_start_leaves_no_ghost_for_long() -> None:
    room, moving = Room(), motion(absorb_s=20)
    for each in room.standing(0, 3):
        moving.see(each.image, each.captured_s)
    gone = seen(room, moving, 3, 30)

    assert gone[0].present
    assert not any(each.present for each in gone[220:])


def test_the_region_is_where_it_changed() -> None:
    room, moving = Room(noise=1), motion()
    seen(room, moving, 0, 5)
    region = moving.see(room.frame(square=60), 5.0).region

    assert region is not None
    x, y, width, height = region
    assert (x, y) == (pytest.approx(60, abs=2), pytest.approx(30, abs=2))
    assert (width, height) == (pytest.approx(40, abs=4), pytest.approx(60, abs=4))


def test_in_the_dark_somebody_is_seen_all_the_same() -> None:
    room, moving = Room(noise=1), motion()
    for i in range(50):
        moving.see(room.frame(light=0.15), i / 10)

    assert moving.see(room.frame(light=0.15, square=60), 5.0).moved


def test_a_frame_of_another_size_begins_anew() -> None:
    room, moving = Room(), motion()
    seen(room, moving, 0, 2)
    larger = np.repeat(np.repeat(room.frame(), 2, axis=0), 3, axis=1)
    found = [moving.see(larger, 2 + i / 10) for i in range(3)]

    assert [each.first for each in found] == [True, False, False]
    assert not found[-1].moved


@pytest.mark.parametrize(
    "shape",
    [(1, 1, 3), (1, 5, 3), (3, 1, 3), (7, 9, 3), (480, 640), (48, 64, 1), (1, 4000, 3), (9, 9, 4)],
)
def test_a_picture_of_any_shape_is_looked_at(shape: tuple[int, ...]) -> None:
    random, moving = np.random.default_rng(0), motion()
    dark, bright = np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8)
    found = [
        moving.see(image, float(i))
        for i, image in enumerate(
            [dark, dark, bright, random.integers(0, 256, shape).astype(np.uint8), dark]
        )
    ]

    assert all(0 <= each.share <= 1 for each in found)


def test_a_clock_that_stands_or_leaps_does_no_harm() -> None:
    room, moving = Room(), motion()
    times = [0.0, 0.0, 0.1, 0.05, 100_000.0, 100_000.1]
    found = [moving.see(room.frame(), at_s) for at_s in times]

    assert not any(each.moved or each.present for each in found)
