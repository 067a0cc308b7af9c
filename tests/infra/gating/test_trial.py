from collections.abc import Iterator

import numpy as np
import pytest

from device.cameras.camera import Captured
from device.gate.gate import Reason, Verdict
from device.gate.settings import GateSettings
from infra.gating.scenes import Light, Visit, scene
from infra.gating.timeline import WIDTH, timeline
from infra.gating.trial import Look, PlayedTime, Trial, attempt, captured
from tests.device.gate.scenery import Room, ToldFinder


def look(
    at_s: float, reason: Reason, *, usable: int = 1, sent: bool = False, faces: int | None = None
) -> Look:
    passed = reason in ("first", "motion", "face")
    verdict = Verdict(passed=passed, reason=reason, faces=faces)
    return Look(at_s=at_s, verdict=verdict, cost_ms=0.1, sent=sent, usable=usable)


def trial(*looks: Look, mode: str = "faces") -> Trial:
    return Trial(looks=looks, settings=GateSettings(), mode=mode, interval_s=0.5)


def test_a_usable_face_in_a_frame_that_did_not_pass_is_missed() -> None:
    missed, empty = look(1, "no_face", faces=0), look(2, "still", usable=0)

    assert trial(missed, empty).missed() == [missed]


def test_what_a_frame_sent_within_an_interval_stands_for_is_not_missed() -> None:
    sent = look(1.0, "face", sent=True, faces=1)

    assert trial(sent, look(1.4, "budget")).missed() == []
    assert trial(look(0.6, "budget"), sent).missed() == []
    assert len(trial(sent, look(1.6, "budget")).missed()) == 1


def test_waiting_for_the_next_check_spares_a_frame_only_if_the_last_found_a_face() -> None:
    found, none = look(1, "face", sent=True, faces=1), look(1, "no_face", faces=0, usable=0)

    assert trial(found, look(2.5, "wait")).missed() == []
    assert len(trial(none, look(2.5, "wait")).missed()) == 1
    assert trial(look(2.5, "wait"), mode="motion").missed() == []


def test_a_clip_is_played_in_its_own_time_and_at_once() -> None:
    pace = PlayedTime(0.5)
    times = []
    for _ in range(4):
        pace.pause(pace.remaining_s())
        times.append(pace())
        pace.taken()

    assert times == pytest.approx([0, 0.5, 1, 1.5], abs=0.01)


def test_each_look_is_told_of_and_the_chosen_are_marked() -> None:
    room, finder = Room(), ToldFinder(faces=1)
    watched: list[Look] = []
    frames: Iterator[Captured] = iter([*room.walking(0, 3), *room.empty(3, 2)])
    played = attempt(
        frames,
        GateSettings(),
        finder,
        interval_s=0.5,
        truth=lambda frame: int(frame.captured_s < 3),
        cost_clock=finder.clock,
        watch=watched.append,
    )

    assert len(played.looks) == len(watched) == 50
    assert 5 <= len(played.sent) <= 10
    assert all(look.verdict.passed for look in played.sent)
    assert played.missed() == []
    assert sum(played.reasons().values()) == 50
    assert len(played.checks_ms()) + len(played.rest_ms()) == 50


def test_a_made_scene_is_the_same_each_time_and_shows_who_was_put_into_it() -> None:
    visit = Visit(from_s=1, stands_s=2, walks_s=1)
    one, other = (list(scene(6, visit=visit, fps=2, light=Light(drift=0.1))) for _ in range(2))

    assert all(np.array_equal(a.image, b.image) for a, b in zip(one, other, strict=True))
    assert [each.somebody for each in one][:3] == [False] * 3
    assert one[5].somebody
    assert not one[-1].somebody


@pytest.mark.parametrize("mode", ["motion", "faces"])
def test_the_timeline_has_a_row_for_all_that_is_known(mode: str) -> None:
    room, finder = Room(), ToldFinder(faces=1)
    frames = [*room.empty(0, 10), *room.walking(10, 3), *room.standing(13, 20), *room.empty(33, 5)]
    played = attempt(
        iter(frames),
        GateSettings(),
        finder if mode == "faces" else None,
        interval_s=0.5,
        cost_clock=finder.clock,
        truth=lambda frame: int(10 < frame.captured_s < 33),
    )
    picture = timeline(played, "a made room")

    assert picture.width == WIDTH
    assert len(picture.getcolors(1 << 20) or []) > 8


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_timeline_of_hardly_anything_is_drawn_too(count: int) -> None:
    played = attempt(
        iter([captured(Room().frame(), float(i)) for i in range(count)]),
        GateSettings(),
        None,
        interval_s=0.5,
    )

    assert timeline(played, "short").width == WIDTH
