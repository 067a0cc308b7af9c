"""A network that is away for an hour, as everything that an hour changes sees it.

What has an end of its own ends a thousand times sooner here: the broker's session, the credentials
for the bucket. The waits between attempts to connect have long reached their ceiling, and hundreds
of frames wait, of which the oldest no longer fit.
"""

import statistics

import pytest

from device.spooling.backlog import FRESH_S
from infra.fleet.events import FULL
from infra.fleet.ledger import Fate
from infra.fleet.small_ground import SmallGround
from infra.fleet.weather import CALM, Weather
from tests.resilience.crowd import Crowd, eventually

CUT = Weather(name="outage", state="cut")

INTERVAL_S = 0.06
SESSION_S, CREDENTIALS_S, RECONNECT_S = 1, 4.0, 1.0
# The cut outlasts the session, the credentials and all waits of the client (0.5 s and 1 s) by far,
# and what waits at its beginning is no longer fresh at its end.
CUT_S = 2 * FRESH_S
KEPT = 220
FRESH = 20  # frames after it


def captured_s(fate: Fate) -> float:
    assert fate.captured_s is not None
    return fate.captured_s


def answered_s(fate: Fate) -> float:
    assert fate.answered_s is not None
    return fate.answered_s


def subscriptions(ground: SmallGround) -> int:
    """Count what the broker has been asked for by the door since it began."""
    return ground.broker.log().count(": door ")


def fresh_answered(crowd: Crowd, since_s: float) -> int:
    """Count the answered frames of those captured since."""
    fates = crowd.ledger.fates().values()
    return sum(each.answered_s is not None and captured_s(each) > since_s for each in fates)


@pytest.mark.parametrize("credentials_s", [CREDENTIALS_S])
def test_after_an_hour_without_a_network_new_frames_do_not_wait_for_hundreds_of_old_ones(
    crowd: Crowd, ground: SmallGround
) -> None:
    line = crowd.join(
        "door",
        interval_s=INTERVAL_S,
        max_frames=KEPT,
        session_expiry_s=SESSION_S,
        reconnect_most_s=RECONNECT_S,
    )
    crowd.await_answered(10)
    subscribed, given = subscriptions(ground), ground.provider.issued
    assert subscribed > 0

    line.become(CUT)
    crowd.await_captured(int(CUT_S / INTERVAL_S))
    assert "Expiring client door due to timeout" in ground.broker.log()
    assert ground.provider.issued == given  # nobody could ask
    line.become(CALM)
    calm_s = line.history()[-1][0]
    old = [fate for fate in crowd.ledger.fates().values() if not fate.answered_s]
    assert len(old) > KEPT
    eventually(f"{FRESH} new frames answered", lambda: fresh_answered(crowd, calm_s) >= FRESH)
    crowd.end()

    # What an hour ends was begun anew, and nothing was tried with what had ended.
    assert crowd.ledger.reconnects() == 1
    assert subscriptions(ground) == 2 * subscribed
    assert ground.provider.issued > given
    assert ground.store.expired == 0

    # `end` has seen to it that each is answered or counted as dropped, and none twice as new.
    fates = sorted(crowd.ledger.fates().values(), key=captured_s)
    assert {fate.dropped for fate in fates} == {"", FULL}
    kept = [fate for fate in sorted(old, key=captured_s) if not fate.dropped]
    dropped = [fate for fate in fates if fate.dropped]
    assert len(kept) > KEPT / 2
    assert len(dropped) > KEPT / 4
    assert captured_s(dropped[-1]) < captured_s(kept[len(kept) // 2])  # the oldest

    # Whoever came after it was answered before the oldest of those that had waited, and sooner.
    fresh = [fate for fate in fates if captured_s(fate) > calm_s][:FRESH]
    assert max(map(answered_s, fresh)) < answered_s(kept[0])
    waited_s = statistics.median(answered_s(fate) - calm_s for fate in kept)
    assert statistics.median(answered_s(fate) - captured_s(fate) for fate in fresh) < waited_s
    quarter = len(kept) // 4
    newest, oldest = kept[-quarter:], kept[:quarter]
    assert statistics.median(map(answered_s, newest)) < statistics.median(map(answered_s, oldest))
