import dataclasses
from collections.abc import Iterable
from itertools import pairwise

from device.cameras.camera import Captured
from device.gate.gate import Gate
from device.gate.gatekeeper import Chosen, Gatekeeper
from device.gate.settings import FaceSettings, GateSettings
from device.settings import FrameSettings
from tests.device.gate.scenery import Room, ToldFinder


def keeper(
    finder: ToldFinder | None = None,
    *,
    interval_s: float = 0.5,
    burst_s: float = 0.0,
    keepalive_s: float = 0.0,
    settings: GateSettings | None = None,
) -> Gatekeeper:
    gate = Gate(
        settings or GateSettings(), finder, cost_clock=finder.clock if finder else lambda: 0.0
    )
    return Gatekeeper(gate, interval_s=interval_s, burst_s=burst_s, keepalive_s=keepalive_s)


def offered(keeping: Gatekeeper, frames: Iterable[Captured]) -> list[Chosen]:
    return [chosen for each in frames for chosen in keeping.offer(each)]


def times(chosen: Iterable[Chosen]) -> list[float]:
    return [round(each.captured.captured_s, 3) for each in chosen]


def test_at_most_one_frame_an_interval_is_sent() -> None:
    found = times(offered(keeper(interval_s=0.5), Room().walking(0, 5)))

    assert len(found) >= 8
    assert all(b - a >= 0.49 for a, b in pairwise(found))


def test_at_the_defaults_what_is_sent_is_an_interval_apart_by_when_it_is_sent() -> None:
    settings, finder = GateSettings(), ToldFinder(faces=1, cost_s=0.0)
    interval_s = FrameSettings().interval_s
    keeping = keeper(finder, interval_s=interval_s, burst_s=settings.burst_s, settings=settings)
    sent_s, taken = list[float](), list[Chosen]()
    for number, frame in enumerate(Room().walking(0, 20)):
        finder.score = (0.2, 0.9, 0.4, 1.0)[number % 4]
        found = keeping.offer(frame)
        sent_s += [frame.captured_s] * len(found)
        taken += found

    assert len(sent_s) >= 25
    assert min(b - a for a, b in pairwise(sent_s)) >= 0.49
    assert min(b - a for a, b in pairwise(times(taken))) >= 0.49


def test_the_best_of_a_burst_is_sent_rather_than_the_first() -> None:
    room, finder = Room(), ToldFinder(faces=1, cost_s=0.0)
    keeping = keeper(finder, burst_s=0.3, interval_s=5)
    sent = []
    for frame, score in zip(room.walking(0, 0.6), (0.1, 0.2, 0.7, 0.3, 0.2, 0.1), strict=True):
        finder.score = score
        sent += [(frame.captured_s, chosen) for chosen in keeping.offer(frame)]

    [(sent_s, chosen)] = sent
    assert round(chosen.captured.captured_s, 1) == 0.2
    assert round(sent_s, 1) == 0.3
    assert chosen.verdict.score == 0.7


def test_a_slow_processor_that_can_check_no_second_frame_in_time_does_not_wait() -> None:
    finder = ToldFinder(faces=1, cost_s=0.2)  # with a share of a quarter: again in 0.8 s
    found = offered(keeper(finder, burst_s=0.3), Room().walking(0, 0.1))

    assert times(found) == [0.0]


def test_a_keepalive_is_sent_though_nothing_moves() -> None:
    found = offered(keeper(keepalive_s=10), Room().empty(0, 60.5, every_s=0.5))

    assert [each.verdict.reason for each in found] == ["first", *["keepalive"] * 6]
    assert times(found)[1:] == [10, 20, 30, 40, 50, 60]


def test_whoever_moves_at_a_keepalive_is_sent_an_interval_after_it() -> None:
    room, keeping = Room(), keeper(interval_s=5, burst_s=0.3, keepalive_s=7)
    frames = [*room.empty(0, 14.4), *room.walking(14.4, 8), *room.empty(22.4, 20)]

    sent = [(each.captured_s, found) for each in frames for found in keeping.offer(each)]

    assert [found.verdict.reason for _, found in sent][:4] == [
        "first",
        "keepalive",
        "keepalive",
        "motion",
    ]
    assert min(b - a for (a, _), (b, _) in pairwise(sent)) >= 4.98
    assert min(b - a for a, b in pairwise(times(found for _, found in sent))) >= 4.98


def test_a_keepalive_comes_no_oftener_than_the_interval() -> None:
    found = offered(keeper(interval_s=5, keepalive_s=1), Room().empty(0, 20.5, every_s=0.5))

    assert times(found) == [0, 5, 10, 15, 20]


def test_a_keepalive_waits_for_the_burst_that_is_open() -> None:
    room, keeping = Room(), keeper(interval_s=1, burst_s=0.5, keepalive_s=5)
    [first] = offered(keeping, room.empty(0, 5.2))
    [moving] = offered(keeping, [*room.walking(5.2, 0.8), *room.empty(6, 0.2)])

    assert (first.verdict.reason, moving.verdict.reason) == ("first", "motion")


def test_without_being_asked_for_no_keepalive_is_sent() -> None:
    assert times(offered(keeper(), Room().empty(0, 60, every_s=0.5))) == [0]


def test_a_frame_that_was_asked_for_is_sent_at_once_whatever_is_in_it() -> None:
    room, finder = Room(), ToldFinder()
    keeping = keeper(finder, settings=GateSettings(faces=FaceSettings(idle_s=1000)))
    offered(keeping, room.empty(0, 5))
    asked = dataclasses.replace(room.empty(5, 0.1)[0], asked=True)

    [chosen] = keeping.offer(asked)
    assert chosen.captured is asked
    assert (chosen.verdict.passed, chosen.verdict.reason) == (True, "asked")


def test_what_was_waited_with_is_sent_at_the_cameras_end() -> None:
    keeping = keeper(burst_s=0.4)
    assert offered(keeping, Room().walking(0, 0.2)) == []

    assert len(keeping.end()) == 1
    assert keeping.end() == ()


def test_a_verdict_travels_with_its_frame() -> None:
    room = Room()
    keeping = keeper()
    offered(keeping, room.empty(0, 5))
    [chosen, *_] = offered(keeping, room.walking(5, 1))

    said = chosen.verdict.said()
    assert 0.05 < said["motion"] < 0.2
    assert "faces" not in said
