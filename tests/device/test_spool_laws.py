"""What holds of every spool."""

import threading

import pytest

from device.memory_spool import MemorySpool
from device.spool import Spool
from tests.device.fakes import spooled


@pytest.fixture
def spool() -> Spool:
    return MemorySpool(max_frames=3, max_bytes=100)


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
