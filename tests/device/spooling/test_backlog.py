"""Frames of long ago, and those that come to nothing."""

from dataclasses import replace

import pytest

from device.journal import Journal
from device.network.local_link import LocalLink
from device.pending import Pending
from device.spooling.backlog import FRESH_S, Backlog
from device.spooling.drops import Drops
from device.spooling.memory_spool import MemorySpool
from device.spooling.spool import ALL, SpooledFrame
from device.streak import QUIET_S
from device.uplink import Uplink
from tests.device.fakes import Cloud, MemoryStore, spooled
from tests.device.spooling.spools import Clock

TOPIC = "sightline/v1/front-door/frames"


@pytest.fixture
def clock() -> Clock:
    return Clock(now_s=1000.0)


class SlowStore(MemoryStore):
    """Each upload takes a second of the clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def put(self, key: str, jpeg: bytes, sha256: str) -> None:
        self._clock.now_s += 1
        super().put(key, jpeg, sha256)


class Rig:
    """An uplink that has a backlog; all is set by hand."""

    def __init__(self, clock: Clock, *, share: float = 0.25, places: int = 8) -> None:
        self.clock, self.link, self.journal = clock, LocalLink(), Journal()
        self.spool = MemorySpool(max_frames=1000)
        self.store = SlowStore(clock)
        self.cloud = Cloud(self.link, times=0)
        self.pending = Pending(self.spool, places=places, timeout_s=1e9, attempts=2)
        backlog = Backlog(self.pending, share=share, uploads=2, places=places, clock=clock)
        self.uplink = Uplink(
            TOPIC,
            self.spool,
            self.store,
            self.link,
            self.pending,
            self.journal,
            backlog=backlog,
            clock=clock,
        )

    def put(self, captured_s: float) -> SpooledFrame:
        frame = replace(spooled(), captured_s=captured_s)
        self.spool.put(frame)
        return frame

    def sent(self) -> list[str]:
        return [each.frame_id for each in self.cloud.references]

    def answer_all(self) -> None:
        for frame_id in self.sent():
            self.pending.answered(frame_id, self.clock.now_s)


def test_the_backlog_has_its_share_of_the_time_and_fresh_frames_never_wait(clock: Clock) -> None:
    rig = Rig(clock)
    old = [rig.put(captured_s=float(second)) for second in range(100)]
    sent_old = sent_new = 0
    for _ in range(40):
        fresh = rig.put(clock.now_s)
        rig.uplink.step()
        assert rig.sent()[-1] == fresh.frame_id  # at once
        sent_new += 1
        before = len(rig.sent())
        rig.uplink.step()
        sent_old += len(rig.sent()) - before
        rig.answer_all()

    assert sent_new == 40
    assert sent_old / (sent_old + sent_new) == pytest.approx(0.25, abs=0.03)
    assert rig.sent()[1] == old[-1].frame_id  # newest first


def test_the_backlog_holds_its_share_of_the_places(clock: Clock) -> None:
    rig = Rig(clock, places=8)
    for second in range(10):
        rig.put(captured_s=float(second))
    for _ in range(20):
        rig.uplink.step()
        clock.now_s += 10  # nobody answers
    assert len(rig.sent()) == 2

    fresh = rig.put(clock.now_s)
    rig.uplink.step()
    assert rig.sent()[-1] == fresh.frame_id
    rig.answer_all()
    rig.uplink.step()
    assert len(rig.sent()) == 4


def test_once_no_new_frames_come_the_backlog_has_everything(clock: Clock) -> None:
    rig = Rig(clock)
    for second in range(6):
        rig.put(captured_s=float(second))
    rig.uplink.drain()
    for _ in range(6):
        rig.uplink.step()

    assert len(rig.sent()) == 6


def test_a_share_of_one_holds_nothing_back(clock: Clock) -> None:
    pending = Pending(MemorySpool(), places=1, timeout_s=1, attempts=1)

    assert Backlog(pending, share=1.0, uploads=1, places=1, clock=clock).since_s() == ALL


def test_one_upload_of_two_may_be_for_the_backlog_at_a_time(clock: Clock) -> None:
    pending = Pending(MemorySpool(), places=8, timeout_s=1, attempts=1)
    backlog = Backlog(pending, share=0.25, uploads=2, places=8, clock=clock)
    old, fresh = replace(spooled(), captured_s=0.0), replace(spooled(), captured_s=clock.now_s)

    with backlog.sending(fresh):
        assert backlog.since_s() == ALL
        with backlog.sending(old):
            assert backlog.since_s() == clock.now_s - FRESH_S
    assert backlog.since_s() == ALL  # it took no time


def test_drops_are_counted_each_and_told_once_a_burst(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal()
    pending = Pending(MemorySpool(), places=8, timeout_s=1, attempts=1)
    drops = Drops(pending, journal, clock=clock)
    for _ in range(100):
        drops.note(["a", "b"])
        clock.now_s += 1
    assert journal.counters().dropped == 200
    assert len(caplog.records) == 1

    drops.note([])
    clock.now_s += QUIET_S
    drops.note([])
    drops.note([])
    assert [each.message for each in caplog.records][1:] == ["dropped 200 frames within 99 s"]

    drops.note(["c"])
    drops.close()
    drops.close()
    assert [each.message for each in caplog.records][3:] == ["dropped 1 frames within 0 s"]


def test_what_the_spool_drops_for_its_age_is_counted_by_the_uplink(clock: Clock) -> None:
    link, journal = LocalLink(), Journal()
    spool = MemorySpool(max_age_s=60, clock=clock)
    pending = Pending(spool, places=8, timeout_s=1, attempts=1)
    uplink = Uplink(TOPIC, spool, MemoryStore(), link, pending, journal, clock=clock)
    spool.put(spooled())

    uplink.step()

    assert (journal.counters().dropped, journal.counters().uploaded, spool.depth()) == (1, 0, 0)
