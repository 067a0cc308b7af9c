import threading

import pytest

from device.journal import Journal
from device.network.backoff import Backoff
from device.network.frame_store import FrameStore
from device.network.local_link import LocalLink
from device.pending import Pending
from device.spooling.memory_spool import MemorySpool
from device.uplink import REFUSALS, Uplink
from sightline.errors import ConfigError, TransportError
from sightline.messages import Counters
from sightline.topics import topic
from tests.device.fakes import Cloud, MemoryStore, UnreliableLink, spooled


class Rig:
    """An uplink with all around it; its clock is set by hand, and it never waits."""

    def __init__(
        self, store: FrameStore, link: LocalLink, *, places: int = 4, attempts: int = 2
    ) -> None:
        self.time = 100.0
        self.spool, self.journal = MemorySpool(), Journal()
        self.pending = Pending(self.spool, places=places, timeout_s=30, attempts=attempts)
        backoff = Backoff(first_s=0)
        backoff.close()
        self.uplink = Uplink(
            topic("front-door", "frames"),
            self.spool,
            store,
            link,
            self.pending,
            self.journal,
            backoff=backoff,
            clock=lambda: self.time,
        )

    def counters(self) -> Counters:
        return self.journal.counters()


def test_a_frame_is_uploaded_before_its_reference_is_published() -> None:
    link, store, frame = LocalLink(), MemoryStore(), spooled()
    cloud = Cloud(link)
    seen_in_store: list[bool] = []
    link.subscribe(
        "sightline/v1/+/frames", lambda *_: seen_in_store.append(frame.key in store.frames)
    )
    rig = Rig(store, link)
    rig.spool.put(frame)

    rig.uplink.step()

    (reference,) = cloud.references
    assert (reference.key, reference.frame_id) == (frame.key, frame.frame_id)
    assert (reference.bytes, reference.sha256) == (frame.size, frame.sha256)
    assert seen_in_store == [True]
    assert rig.counters() == Counters(uploaded=1, published=1)
    assert rig.spool.depth() == 1  # until it is answered


def test_after_a_failed_upload_all_is_done_again() -> None:
    link, store = LocalLink(), MemoryStore(TransportError("no network"))
    cloud, rig = Cloud(link), Rig(store, link)
    rig.spool.put(spooled())

    rig.uplink.step()
    assert cloud.references == []
    rig.uplink.step()

    assert len(cloud.references) == len(store.frames) == 1


def test_failed_uploads_and_publishes_give_their_places_back() -> None:
    link = UnreliableLink(failures=10)
    store = MemoryStore(*(TransportError("no network") for _ in range(10)))
    cloud, rig = Cloud(link), Rig(store, link, places=2)
    rig.spool.put(spooled())

    for _ in range(20):
        rig.uplink.step()
    assert cloud.references == []
    rig.uplink.step()

    assert len(cloud.references) == 1


def test_after_a_failed_publish_the_frame_is_not_uploaded_again() -> None:
    link = UnreliableLink(failures=2)
    store = MemoryStore()
    cloud, rig = Cloud(link), Rig(store, link)
    rig.spool.put(spooled())
    rig.uplink.step()
    store.errors = [AssertionError("uploaded again")]
    rig.uplink.step()
    rig.uplink.step()

    assert len(cloud.references) == 1
    assert rig.counters() == Counters(uploaded=1, published=1)


def test_no_more_frames_are_in_flight_than_told() -> None:
    link = LocalLink()
    cloud, rig = Cloud(link), Rig(MemoryStore(), link, places=2)
    frames = [spooled(second) for second in range(3)]
    for frame in frames:
        rig.spool.put(frame)
    for _ in range(5):
        rig.uplink.step()
    assert [each.frame_id for each in cloud.references] == [f.frame_id for f in frames[:0:-1]]

    answered = rig.pending.answered(frames[1].frame_id, 101.0)
    rig.uplink.step()

    assert answered is not None
    assert len(cloud.references) == 3


def test_failures_do_not_use_up_the_places() -> None:
    link = UnreliableLink(failures=10)
    cloud, rig = Cloud(link), Rig(MemoryStore(), link, places=1)
    rig.spool.put(spooled())
    for _ in range(11):
        rig.uplink.step()
    for _ in range(5):
        rig.uplink.step()  # nothing waits: the place stays free

    assert len(cloud.references) == 1


def test_an_unanswered_reference_is_published_again_and_then_given_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    link, store = LocalLink(), MemoryStore()
    cloud, rig, frame = Cloud(link), Rig(store, link), spooled()
    rig.spool.put(frame)
    rig.uplink.step()
    rig.time += 29
    rig.uplink.step()
    assert len(cloud.references) == 1
    rig.time += 2
    rig.uplink.step()
    assert len(cloud.references) == 2
    rig.time += 31
    rig.uplink.step()

    assert len(cloud.references) == 2
    assert (rig.spool.depth(), rig.counters().dropped) == (0, 1)
    assert (rig.journal.summary().dropped, rig.journal.summary().given_up) == (0, 1)
    assert frame.frame_id in caplog.text


def test_the_result_of_the_first_reference_counts_while_the_second_waits() -> None:
    link = LocalLink()
    rig, frame = Rig(MemoryStore(), link), spooled()
    rig.spool.put(frame)
    rig.uplink.step()
    assert rig.pending.overdue(rig.time + 31) == ()

    answered = rig.pending.answered(frame.frame_id, rig.time + 32)

    assert answered is not None
    assert answered.stages_ms["answer"] == pytest.approx(32_000)
    assert rig.spool.depth() == 0


def test_a_store_that_goes_on_refusing_ends_the_agent() -> None:
    errors = [ConfigError("no such bucket") for _ in range(REFUSALS)]
    rig = Rig(MemoryStore(*errors), LocalLink())
    rig.spool.put(spooled())
    for _ in range(REFUSALS - 1):
        rig.uplink.step()

    with pytest.raises(ConfigError, match="no such bucket"):
        rig.uplink.run(threading.Event())


def test_the_same_trouble_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(MemoryStore(*[TransportError("no network") for _ in range(5)]), LocalLink())
    rig.spool.put(spooled())
    for _ in range(5):
        rig.uplink.step()

    assert len([each for each in caplog.records if each.levelname == "WARNING"]) == 1


def test_waits_grow_to_a_bound_with_jitter_and_begin_anew() -> None:
    backoff = Backoff(first_s=1, most_s=10, chance=lambda: 1.0)
    assert [backoff.failed() for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    backoff.succeeded()
    assert backoff.failed() == 1
    assert Backoff(first_s=1, chance=lambda: 0.0).failed() == 0.5


def test_who_waits_to_try_again_is_woken_when_the_link_stands() -> None:
    backoff = Backoff()
    waiting = threading.Thread(target=lambda: backoff.wait(3600))
    waiting.start()
    while waiting.is_alive():
        backoff.wake()
        waiting.join(0.01)
    backoff.close()
    backoff.wait(3600)
