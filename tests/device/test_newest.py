import threading

import pytest

from device.cameras.camera import Captured
from device.newest import Newest
from tests.device.fakes import DEADLINE_S, NOON, image


def captured(value: int, *, asked: bool = False) -> Captured:
    return Captured(image=image(value), captured_at=NOON, captured_s=0.0, asked=asked)


def test_while_one_is_worked_on_the_newest_takes_the_place_of_the_others() -> None:
    begun, let_on = threading.Event(), threading.Event()
    seen: list[tuple[int, bool]] = []
    skipped: list[None] = []

    def work(each: Captured) -> None:
        begun.set()
        assert let_on.wait(DEADLINE_S)
        seen.append((int(each.image[0, 0, 0]), each.asked))

    with Newest(work, lambda: skipped.append(None)) as newest:
        newest.offer(captured(1))
        assert begun.wait(DEADLINE_S)
        newest.offer(captured(2))
        newest.offer(captured(3, asked=True))
        newest.offer(captured(4))
        let_on.set()

    assert seen == [(1, False), (4, True)]
    assert len(skipped) == 2


def test_what_the_work_raises_reaches_who_gives_frames() -> None:
    failed = threading.Event()

    def work(_: Captured) -> None:
        failed.set()
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        offer_twice(Newest(work), failed)
    with pytest.raises(ZeroDivisionError), Newest(work) as another:
        another.offer(captured(1))


def offer_twice(newest: Newest, failed: threading.Event) -> None:
    with newest:
        newest.offer(captured(1))
        assert failed.wait(DEADLINE_S)
        newest._thread.join(DEADLINE_S)
        newest.offer(captured(2))
        raise AssertionError("it went on")
