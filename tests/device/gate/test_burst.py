import random
from itertools import pairwise

from device.gate.burst import Burst


def burst(interval_s: float = 1.0, burst_s: float = 0.3) -> Burst[str]:
    return Burst(interval_s=interval_s, burst_s=burst_s)


def test_the_best_of_a_burst_is_given_when_it_ends() -> None:
    best = burst()
    for at_s, name, score in ((0.0, "first", 0.2), (0.1, "sharp", 0.8), (0.2, "late", 0.5)):
        assert best.wants(at_s)
        best.offer(name, score, at_s)
        assert best.due(at_s) is None

    assert best.due(0.3) == "sharp"
    assert best.due(0.4) is None


def test_of_equals_the_first_is_given() -> None:
    best = burst()
    best.offer("first", 0.5, 0.0)
    best.offer("second", 0.5, 0.1)

    assert best.due(1.0) == "first"


def test_what_is_as_good_as_is_of_use_is_not_waited_with() -> None:
    best = burst()
    best.offer("perfect", 1.0, 0.0)

    assert best.due(0.0) == "perfect"


def test_nothing_is_waited_for_that_cannot_come_in_time() -> None:
    best = burst(burst_s=0.3)
    best.offer("only", 0.3, 0.0)

    assert best.due(0.0, next_s=0.2) is None
    assert best.due(0.0, next_s=0.5) == "only"


def test_bursts_begin_an_interval_apart_at_least() -> None:
    best = burst(interval_s=1.0)
    best.offer("one", 1.0, 5.0)
    best.due(5.0)

    assert not best.wants(5.9)
    assert best.wants(5.995)  # a camera's beat is not exact
    assert best.wants(6.0)


def test_what_is_given_is_an_interval_apart_when_it_was_taken_and_when_it_is_given() -> None:
    best = burst(interval_s=0.5, burst_s=0.25)
    chance, taken, given = random.Random(1), list[float](), list[float]()  # noqa: S311
    for step in range(1000):
        at_s = step / 8
        if best.wants(at_s):
            best.offer(str(at_s), chance.choice((0.1, 0.5, 0.9, 1.0)), at_s)
        if (found := best.due(at_s)) is not None:
            taken.append(float(found))
            given.append(at_s)

    assert len(given) >= 160  # of 250 that could be
    assert min(b - a for a, b in pairwise(taken)) >= 0.5
    assert min(b - a for a, b in pairwise(given)) >= 0.5
    assert max(b - a for a, b in zip(taken, given, strict=True)) <= 0.25


def test_what_was_sent_besides_takes_its_turn() -> None:
    best = burst(interval_s=1.0)
    assert not best.is_open
    best.given(5.0)

    assert not best.wants(5.9)
    best.offer("next", 1.0, 6.0)
    assert best.due(6.0) == "next"


def test_a_burst_is_never_longer_than_the_interval() -> None:
    best = burst(interval_s=0.1, burst_s=5)
    best.offer("one", 0.1, 0.0)

    assert best.due(0.1) == "one"


def test_at_the_end_nothing_is_waited_for() -> None:
    best = burst()
    best.offer("one", 0.1, 0.0)

    assert best.end() == "one"
    assert best.end() is None
