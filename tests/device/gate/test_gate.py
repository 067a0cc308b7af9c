from itertools import pairwise

import pytest

from device.gate.gate import Gate
from device.gate.settings import FaceSettings, GateSettings
from tests.device.gate.scenery import Room, ToldFinder, verdicts


def gate_of(finder: ToldFinder | None = None, **settings: float | FaceSettings) -> Gate:
    chosen = GateSettings(**settings)  # type: ignore[arg-type]
    return Gate(chosen, finder, cost_clock=finder.clock if finder else lambda: 0.0)


def test_by_motion_the_first_frame_passes_and_no_other_of_an_empty_room() -> None:
    found = verdicts(gate_of(), Room().empty(0, 20))

    assert [each.reason for each in found[:2]] == ["first", "still"]
    assert sum(each.passed for each in found) == 1


def test_by_motion_who_walks_passes_each_time_and_who_stands_each_few_seconds() -> None:
    room, gate = Room(), gate_of(recheck_s=2)
    verdicts(gate, room.empty(0, 20))
    walking = verdicts(gate, room.walking(20, 2))
    standing = verdicts(gate, room.standing(22, 62))[20:]

    assert {each.reason for each in walking} == {"motion"}
    assert 28 <= sum(each.passed for each in standing) <= 31
    assert {each.reason for each in standing} == {"present", "wait"}


def test_after_motion_it_is_looked_on_for_as_long_as_it_holds() -> None:
    room, gate = Room(), gate_of(hold_s=5, recheck_s=1)
    verdicts(gate, room.empty(0, 20))
    verdicts(gate, room.walking(20, 2))
    after = verdicts(gate, room.empty(22, 20))

    assert [each.reason for each in after].count("present") == 5
    assert {each.reason for each in after[60:]} == {"still"}


def test_a_light_that_is_switched_passes_nothing() -> None:
    room, gate = Room(), gate_of()
    verdicts(gate, room.empty(0, 20))
    dark = [gate.see(room.frame(light=0.4), 20 + i / 10) for i in range(100)]

    assert dark[0].reason == "light"
    assert not any(each.passed for each in dark)


def test_by_faces_only_a_frame_in_which_one_was_found_passes() -> None:
    room, finder = Room(), ToldFinder()
    gate = gate_of(finder)
    assert not any(each.passed for each in verdicts(gate, room.empty(0, 20)))
    assert not any(each.passed for each in verdicts(gate, room.walking(20, 2)))
    finder.faces = 2
    found = verdicts(gate, room.walking(22, 2))

    assert {(each.reason, each.faces) for each in found if each.passed} == {("face", 2)}
    assert next(each.said()["faces"] for each in found if each.passed) == 2


def test_while_nothing_moves_faces_are_looked_for_now_and_then() -> None:
    finder = ToldFinder()
    gate = gate_of(finder, faces=FaceSettings(idle_s=10))
    verdicts(gate, Room().empty(0, 60))

    assert finder.looks == 6


def test_somebody_whom_no_motion_told_of_is_found_and_held() -> None:
    finder = ToldFinder()
    gate = gate_of(finder, faces=FaceSettings(idle_s=10), recheck_s=2, hold_s=5)
    room = Room()
    verdicts(gate, room.empty(0, 15))
    finder.faces = 1  # as if they had been absorbed by the room long ago
    found = verdicts(gate, room.empty(15, 30))

    passed = [i for i, each in enumerate(found) if each.passed]
    assert passed[0] == 50
    assert {b - a for a, b in pairwise(passed)} == {20}


def test_who_stands_still_for_a_minute_is_looked_at_again_each_few_seconds() -> None:
    room, finder = Room(), ToldFinder()
    gate = gate_of(finder, recheck_s=2)
    verdicts(gate, room.empty(0, 30))
    finder.faces = 1
    verdicts(gate, room.walking(30, 2))
    found = verdicts(gate, room.standing(32, 60))[20:]

    assert 28 <= sum(each.passed for each in found) <= 31
    assert {each.reason for each in found} == {"face", "wait"}


@pytest.mark.parametrize("share", [0.05, 0.25, 1.0])
@pytest.mark.parametrize("cost_s", [0.016, 0.2, 1.5])
def test_checks_take_no_more_than_their_share_of_the_processor(share: float, cost_s: float) -> None:
    room, finder = Room(), ToldFinder(cost_s=cost_s)
    gate = gate_of(finder, faces=FaceSettings(share=share))
    frames = room.walking(0, 30, every_s=0.05)
    verdicts(gate, frames)

    assert finder.looks >= 1
    assert finder.spent_s <= share * 30 + cost_s


def test_somebody_whose_face_was_not_found_is_looked_at_again_soon() -> None:
    room, finder = Room(), ToldFinder()
    gate = gate_of(finder, recheck_s=5)
    verdicts(gate, room.empty(0, 20))
    verdicts(gate, room.walking(20, 2))
    verdicts(gate, room.standing(22, 5))
    looks = finder.looks
    verdicts(gate, room.standing(27, 5))

    assert 9 <= finder.looks - looks <= 10


def test_a_frame_that_would_not_be_sent_is_not_checked() -> None:
    room, finder = Room(), ToldFinder(faces=1)
    gate = gate_of(finder)
    found = [gate.see(each.image, each.captured_s, wanted=False) for each in room.walking(0, 2)]

    assert finder.looks == 0
    assert {each.reason for each in found} == {"interval"}


def test_a_light_that_is_switched_is_reason_to_look_for_faces() -> None:
    room, finder = Room(), ToldFinder(faces=1)
    gate = gate_of(finder, faces=FaceSettings(idle_s=1000), hold_s=0)
    finder.faces = 0
    verdicts(gate, room.empty(0, 20))
    finder.faces = 1

    assert gate.see(room.frame(light=0.4), 20.0).reason == "face"
