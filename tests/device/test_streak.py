"""A trouble that comes again and again."""

import logging

import pytest

from device.streak import QUIET_S, Streak
from tests.device.spooling.spools import Clock

log = logging.getLogger(__name__)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_year_of_it_is_two_warnings(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    streak = Streak(log, "%d times within %.0f s", clock=clock)
    for i in range(1000):
        streak.note("the first is number %d", i)
        clock.now_s += QUIET_S / 2
    streak.look()
    clock.now_s += QUIET_S
    for _ in range(3):
        streak.look()

    assert caplog.messages == ["the first is number 0", "1000 times within 29970 s"]


def test_the_next_begins_when_there_was_none_for_a_while(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    streak = Streak(log, "%d times within %.0f s", clock=clock)
    streak.note("first", count=2)
    clock.now_s += QUIET_S
    streak.note("first again")
    streak.close()
    streak.close()

    assert caplog.messages == [
        *("first", "2 times within 0 s"),
        *("first again", "1 times within 0 s"),
    ]


def test_of_a_single_one_the_first_warning_may_say_all(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    streak = Streak(log, "%d times within %.0f s", least=2, clock=clock)
    for _ in range(3):
        streak.note("once")
        clock.now_s += QUIET_S
        streak.look()

    assert caplog.messages == ["once"] * 3
