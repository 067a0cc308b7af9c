"""What breaks between the agent and its cloud, and that every frame is accounted for."""

import dataclasses
import random

from infra.fleet.events import FULL, TOO_OLD
from infra.fleet.ledger import Fate
from infra.fleet.weather import CALM, WIFI, Weather
from tests.resilience.crowd import Crowd, eventually

CUT = Weather(name="outage", state="cut")
SILENT = Weather(name="silent", state="silent")
HALF_OPEN = Weather(name="half-open", state="half_open")


def by_capture(crowd: Crowd) -> list[Fate]:
    return sorted(crowd.ledger.fates().values(), key=lambda fate: fate.captured_s or 0)


def test_a_broker_that_is_killed_and_started_again_costs_no_frame(crowd: Crowd) -> None:
    for thing in ("door", "yard"):
        crowd.join(thing)
    crowd.await_answered(20)

    for _ in range(2):
        crowd.ground.broker.kill()
        crowd.await_captured(10)
        crowd.ground.broker.start()
        crowd.await_answered(20)

    crowd.end()
    assert crowd.ledger.tally().dropped == 0


def test_after_an_outage_the_newest_frame_goes_first_and_the_oldest_are_dropped(
    crowd: Crowd,
) -> None:
    line = crowd.join("door", max_frames=12)
    crowd.await_answered(5)

    line.become(CUT)
    crowd.await_captured(40)
    line.become(CALM)
    crowd.await_answered(5)

    crowd.end()
    fates = by_capture(crowd)
    assert {fate.dropped for fate in fates} == {"", FULL}
    dropped = [i for i, fate in enumerate(fates) if fate.dropped]
    waited = [i for i, fate in enumerate(fates) if fate.answered_s is not None and i > dropped[-1]]
    assert len(dropped) >= 20
    # In the air and on their way when it was cut are others than those that wait: a few are older.
    assert dropped == list(range(dropped[0], dropped[0] + len(dropped)))
    first_back = min((fates[i] for i in waited), key=lambda fate: fate.answered_s or 0)
    assert fates.index(first_back) > waited[0]


def test_what_is_too_old_when_the_network_comes_back_is_dropped_and_counted(crowd: Crowd) -> None:
    line = crowd.join("door", max_age_s=1.0)
    crowd.await_answered(5)

    line.become(CUT)
    crowd.await_captured(20)
    line.become(CALM)
    crowd.await_answered(10)

    crowd.end()
    assert {fate.dropped for fate in by_capture(crowd)} == {"", TOO_OLD}


def test_a_half_open_connection_is_noticed_and_made_anew(crowd: Crowd) -> None:
    line = crowd.join("door")
    crowd.await_answered(10)

    line.become(HALF_OPEN)
    eventually("half-open connection", lambda: line.statistics().half_open > 0)
    crowd.await_captured(10)
    line.become(CALM)

    crowd.await_answered(60)
    crowd.end()
    assert crowd.ledger.tally().dropped == 0
    assert crowd.ledger.reconnects() >= 1


def test_a_network_that_is_silent_for_a_while_costs_no_frame(crowd: Crowd) -> None:
    line = crowd.join("door")
    crowd.await_answered(10)

    line.become(SILENT)
    crowd.await_captured(20)
    line.become(CALM)

    crowd.await_answered(30)
    crowd.end()
    assert crowd.ledger.tally().dropped == 0


def test_resets_in_the_middle_of_uploads_and_publishes_cost_no_frame(crowd: Crowd) -> None:
    lines = [crowd.join(thing) for thing in ("door", "yard")]
    chance = random.Random(3)  # noqa: S311

    for _ in range(6):
        crowd.await_captured(chance.randint(2, 9))
        chance.choice(lines).become(dataclasses.replace(WIFI, name="reset", resets=True))

    crowd.await_answered(10)
    crowd.end()
    assert crowd.ledger.tally().dropped == 0
    assert sum(line.statistics().reset for line in lines) > 0


def test_on_a_network_that_is_too_slow_new_frames_go_before_old_ones(crowd: Crowd) -> None:
    line = crowd.join("door", max_frames=5)
    crowd.await_answered(5)

    line.become(Weather(name="slow", latency_s=0.1, loss=0.05, bytes_per_s=60_000))
    crowd.await_captured(60)
    line.become(CALM)

    crowd.end()
    fates = by_capture(crowd)
    assert {fate.dropped for fate in fates} == {"", FULL}
    assert not fates[-1].dropped
