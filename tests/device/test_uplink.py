import math
import threading
from dataclasses import replace
from itertools import pairwise

import pytest

from device.journal import Journal
from device.network.backoff import Backoff
from device.network.frame_store import FrameStore
from device.network.local_link import LocalLink
from device.pending import Pending
from device.silence import Silence
from device.spooling.memory_spool import MemorySpool
from device.uplink import REFUSALS, Uplink
from sightline.errors import ConfigError, TransportError
from sightline.messages import Counters, FrameCaptured, decode
from sightline.topics import topic
from tests.device.fakes import Cloud, MemoryStore, UnreliableLink, spooled


class Rig:
    """An uplink with all around it; its clock is set by hand, and it never waits."""

    def __init__(
        self,
        store: FrameStore,
        link: LocalLink,
        *,
        places: int = 4,
        attempts: int = 2,
        max_age_s: float = math.inf,
        unattended: bool = False,
    ) -> None:
        self.time = 100.0
        self.spool = MemorySpool(max_age_s=max_age_s, clock=lambda: self.time)
        self.journal = Journal()
        self.silence = Silence(
            pauses=Backoff(first_s=8, most_s=300, chance=lambda: 1.0), clock=lambda: self.time
        )
        self.pending = Pending(
            self.spool, places=places, timeout_s=30, attempts=attempts, silence=self.silence
        )
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
            unattended=unattended,
            clock=lambda: self.time,
        )

    def steps(self, seconds: int) -> None:
        for _ in range(seconds):
            self.time += 1
            self.uplink.step()

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


def test_an_unanswered_reference_is_published_again_at_growing_pauses_and_never_given_up() -> None:
    link, store, sent_s = LocalLink(), MemoryStore(), list[float]()
    rig = Rig(store, link)
    link.subscribe("sightline/v1/+/frames", lambda *_: sent_s.append(rig.time - 100))
    rig.spool.put(spooled())
    rig.uplink.step()
    rig.steps(1000)

    # Twice at the time-out's pace; then it rests for 30, 60, 120 s and so on.
    assert sent_s == [0, 30, 90, 180, 330, 600]
    assert (rig.spool.depth(), rig.counters().dropped, rig.counters().overdue) == (1, 0, 6)
    assert rig.uplink.trouble() is None  # one alone may be odd


def test_while_nobody_answers_one_frame_at_a_time_is_tried_the_newest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    link = LocalLink()
    rig, tried = Rig(MemoryStore(), link), list[str]()
    link.subscribe("sightline/v1/+/frames", lambda _, p: tried.append(decode_id(p)))
    frames = [replace(spooled(i), captured_s=100.0 + i) for i in range(10)]
    for each in frames[:6]:
        rig.spool.put(each)
    rig.steps(85)  # four have been sent twice, and one in the place of the first of these
    assert tried[8:] == [frames[1].frame_id]
    assert caplog.text.count("nobody answers; is the cloud's side running?") == 1
    assert "nobody has answered for" in (rig.uplink.trouble() or "")
    for each in frames[6:]:
        rig.spool.put(each)
    rig.steps(10)
    assert tried[9:] == [frames[9].frame_id]
    rig.steps(25)
    assert len(tried) == 10

    rig.pending.answered(frames[9].frame_id, rig.time)
    assert rig.uplink.trouble() is None
    rig.steps(5)
    assert tried[10:13] == [each.frame_id for each in frames[8:5:-1]]  # all places again
    assert rig.spool.depth() == 9


def test_what_nobody_answers_is_dropped_when_it_is_too_old_and_counted() -> None:
    rig = Rig(MemoryStore(), LocalLink(), max_age_s=500)
    rig.spool.put(replace(spooled(), captured_s=100.0))
    rig.uplink.step()
    rig.steps(480)
    assert (rig.spool.depth(), rig.counters().dropped) == (1, 0)
    rig.steps(300)

    assert (rig.spool.depth(), rig.counters().dropped) == (0, 1)


def test_a_frame_that_alone_is_unanswered_rests_ever_longer_and_holds_up_no_other() -> None:
    link, sent_s = LocalLink(), list[float]()
    rig = Rig(MemoryStore(), link, places=1)
    odd = replace(spooled(59), captured_s=159.0)  # the newest of all

    def answer(where: str, payload: bytes) -> None:
        frame_id = decode_id(payload)
        if frame_id == odd.frame_id:
            sent_s.append(rig.time - 100)
        else:
            rig.pending.answered(frame_id, rig.time + 0.5)

    link.subscribe("sightline/v1/+/frames", answer)
    rig.spool.put(odd)
    rig.uplink.step()
    for second in range(40):
        rig.spool.put(spooled(second))
    rig.steps(400)

    # The others went when it had been unanswered twice; from there on it rests alone.
    assert rig.spool.depth() == 1
    assert rig.uplink.trouble() is None
    pauses = [later - earlier for earlier, later in pairwise(sent_s)]
    assert pauses[0] == 30
    assert pauses[1:] == sorted(pauses[1:]) != []


def test_a_link_that_stands_again_has_a_silent_cloud_tried_at_once() -> None:
    rig = Rig(MemoryStore(), LocalLink())
    for second in range(2):
        rig.spool.put(spooled(second))
    rig.steps(320)
    published = rig.counters().published
    rig.steps(5)
    assert rig.counters().published == published
    rig.pending.hurry()
    rig.uplink.step()

    assert rig.counters().published == published + 1


def decode_id(payload: bytes) -> str:
    return decode(FrameCaptured, payload).frame_id or ""


def test_the_result_of_the_first_reference_counts_while_the_second_waits() -> None:
    link = LocalLink()
    rig, frame = Rig(MemoryStore(), link), spooled()
    rig.spool.put(frame)
    rig.uplink.step()
    assert rig.pending.overdue(rig.time + 31) == 1

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


def test_unattended_it_goes_on_trying_a_store_that_refuses_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    errors = [ConfigError("no such bucket") for _ in range(5 * REFUSALS)]
    link = LocalLink()
    cloud, rig = Cloud(link), Rig(MemoryStore(*errors), link, unattended=True)
    rig.spool.put(spooled())
    rig.steps(5 * REFUSALS)
    assert rig.uplink.trouble() == "frames are not stored: no such bucket"
    assert cloud.references == []
    rig.steps(1)

    assert len(cloud.references) == 1
    assert rig.uplink.trouble() is None
    assert caplog.text.count("no such bucket") == 1


def test_what_only_the_bucket_is_in_trouble_with_is_told_until_an_upload_succeeds() -> None:
    link = UnreliableLink(failures=1)
    rig = Rig(MemoryStore(TransportError("S3's clock shows another time")), link)
    rig.spool.put(spooled())

    rig.steps(1)
    assert rig.uplink.trouble() == "frames are not stored: S3's clock shows another time"
    rig.steps(1)  # it is stored, and not published

    assert rig.counters().uploaded == 1
    assert rig.uplink.trouble() is None  # the link says of itself what is wrong


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
