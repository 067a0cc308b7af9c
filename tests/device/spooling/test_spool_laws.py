"""What holds of every spool."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from device.spooling.disk_frames import Bounds
from device.spooling.disk_spool import DiskSpool
from device.spooling.memory_spool import MemorySpool
from device.spooling.spool import Spool
from sightline.keys import new_frame_id
from tests.device.fakes import key_of, spooled
from tests.device.spooling.spools import Clock


@pytest.fixture(params=["memory", "disk", "memory, as the disk fails"])
def spool(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Spool]:
    memory = MemorySpool(max_frames=3, max_bytes=100, max_age_s=1000, clock=clock)
    if request.param == "memory":
        yield memory
        return
    folder = tmp_path / "spool"
    if request.param != "disk":
        folder.write_text("no folder")
    bounds = Bounds(max_frames=3, max_bytes=100, max_age_s=1000)
    with DiskSpool(folder, key_of, bounds, memory, clock=clock) as disk:
        yield disk


def test_the_newest_is_taken_first(spool: Spool) -> None:
    old, new, middle = spooled(1), spooled(3), spooled(2)
    for frame in (old, new, middle):
        spool.put(frame)

    assert [spool.take(0), spool.take(0), spool.take(0)] == [new, middle, old]
    assert spool.take(0) is None


def test_where_frames_are_too_many_the_oldest_is_dropped_and_named(spool: Spool) -> None:
    frames = [spooled(second) for second in range(4)]

    dropped = [spool.put(frame) for frame in frames]

    assert dropped == [(), (), (), (frames[0].frame_id,)]
    assert spool.depth() == 3


def test_where_they_are_too_large_as_many_are_dropped_as_it_takes(spool: Spool) -> None:
    first, second = spooled(1, size=40), spooled(2, size=40)
    spool.put(first)
    spool.put(second)

    assert spool.put(spooled(3, size=90)) == (first.frame_id, second.frame_id)


def test_a_frame_larger_than_the_bound_is_kept_alone(spool: Spool) -> None:
    huge = spooled(1, size=500)

    assert spool.put(huge) == ()
    assert spool.take(0) == huge


def test_what_is_taken_is_not_dropped_and_nobody_elses(spool: Spool) -> None:
    oldest = spooled(0)
    spool.put(oldest)
    spool.take(0)
    dropped = [each for second in range(1, 5) for each in spool.put(spooled(second))]

    assert oldest.frame_id not in dropped
    assert spool.depth() == 4
    spool.release(oldest.frame_id)
    taken = [frame.frame_id for frame in iter(lambda: spool.take(0), None)]
    assert taken[-1] == oldest.frame_id


def test_a_released_frame_comes_again_as_far_as_it_was(spool: Spool) -> None:
    frame = spooled()
    spool.put(frame)
    spool.take(0)
    spool.mark(frame.frame_id, "uploaded")
    spool.mark(frame.frame_id, "published")
    spool.release(frame.frame_id)

    again = spool.take(0)

    assert again is not None
    assert (again.state, again.attempts, again.jpeg) == ("published", 1, b"")


def test_an_answered_frame_is_forgotten_whether_it_waits_or_not(spool: Spool) -> None:
    waiting, taken = spooled(1), spooled(2)
    spool.put(waiting)
    spool.put(taken)
    spool.take(0)
    for frame in (waiting, taken):
        spool.mark(frame.frame_id, "answered")

    assert spool.depth() == 0
    spool.release(taken.frame_id)
    assert spool.take(0) is None


def test_a_mark_or_release_of_an_unknown_frame_does_nothing(spool: Spool) -> None:
    spool.mark("nobody", "published")
    spool.release("nobody")

    assert spool.depth() == 0


def test_who_waits_gets_a_frame_as_it_comes(spool: Spool) -> None:
    got = []
    waiter = threading.Thread(target=lambda: got.append(spool.take(10)))
    waiter.start()
    frame = spooled()
    spool.put(frame)
    waiter.join(10)

    assert got == [frame]


def test_old_and_new_do_not_go_by_the_time_of_day(spool: Spool) -> None:
    first, last = spooled(2), spooled(3)
    day_before = last.captured_at - timedelta(days=1)  # the clock was set back in between
    last = replace(last, frame_id=new_frame_id(day_before), captured_at=day_before)
    spool.put(first)
    spool.put(last)

    assert [spool.take(0), spool.take(0)] == [last, first]


def test_frames_from_before_a_time_can_be_left_to_wait(spool: Spool) -> None:
    old, new = spooled(1), spooled(3)
    spool.put(old)
    spool.put(new)

    assert [spool.take(0, since_s=2.0), spool.take(0, since_s=2.0)] == [new, None]
    assert spool.take(0) == old


def test_frames_that_wait_too_long_are_dropped_and_told_of_once(spool: Spool, clock: Clock) -> None:
    taken, old, new = spooled(1), spooled(2), spooled(50)
    spool.put(taken)
    spool.take(0)
    spool.put(old)
    spool.put(new)
    assert spool.sweep() == ()

    clock.now_s = 1020.0

    assert (spool.sweep(), spool.sweep()) == ((old.frame_id,), ())
    assert spool.depth() == 2
    assert spool.take(0) == new


def test_a_frame_that_rests_is_not_taken_until_it_has_and_is_dropped_like_any_other(
    spool: Spool, clock: Clock
) -> None:
    older, newer = spooled(1), spooled(2)
    spool.put(older)
    spool.put(newer)
    spool.take(0)
    spool.rest(newer.frame_id, clock.now_s + 30)
    spool.rest("nobody", clock.now_s + 30)

    assert spool.take(0) == older
    assert (spool.take(0), spool.depth()) == (None, 2)
    clock.now_s += 30
    assert spool.take(0) == newer
    spool.rest(newer.frame_id, clock.now_s + 30)
    assert spool.take(0) is None
    spool.wake()
    assert spool.take(0) == newer
    spool.rest(newer.frame_id, clock.now_s + 30)
    spool.release(older.frame_id)
    dropped = [each for second in range(3, 6) for each in spool.put(spooled(second))]
    assert newer.frame_id in dropped
    clock.now_s += 30
    assert newer.frame_id not in {each.frame_id for each in iter(lambda: spool.take(0), None)}


def test_a_mark_gives_the_frame_as_it_is_now(spool: Spool) -> None:
    frame = spooled(1)
    spool.put(frame)
    spool.take(0)

    published = replace(frame, jpeg=b"", state="published", attempts=1)
    assert spool.mark(frame.frame_id, "published") == published
    assert spool.mark(frame.frame_id, "answered") == replace(published, state="answered")
    assert spool.mark(frame.frame_id, "answered") is None


def test_what_the_gate_saw_stays_with_the_frame(spool: Spool) -> None:
    seen = replace(spooled(1), gate={"motion": 0.041, "faces": 1})
    spool.put(seen)

    assert spool.take(0) == seen


def test_many_threads_get_each_frame_once(spool: Spool) -> None:
    got: list[str] = []

    def work() -> None:
        while (frame := spool.take(0.2)) is not None:
            got.append(frame.frame_id)
            spool.mark(frame.frame_id, "uploaded")
            spool.mark(frame.frame_id, "answered")

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    dropped = [each for second in range(40) for each in spool.put(spooled(second))]
    for worker in workers:
        worker.join(10)

    assert len({*got, *dropped}) == len(got) + len(dropped) == 40
    assert spool.depth() == 0
