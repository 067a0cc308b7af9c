"""Several things at once, and none that nobody waits for."""

import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import pytest

from cloud.side_by_side import side_by_side
from sightline.errors import TransportError

DEADLINE_S = 20.0


@pytest.fixture
def pool() -> Iterator[Executor]:
    with ThreadPoolExecutor(3) as threads:
        yield threads


def test_what_comes_of_each_is_given_in_their_order(pool: Executor) -> None:
    three = threading.Barrier(3, timeout=DEADLINE_S)

    def double(number: int) -> int:
        three.wait()  # nobody gets by who is alone
        return number * 2

    assert side_by_side(pool, double, range(9)) == [*range(0, 18, 2)]
    assert side_by_side(pool, double, []) == []


def test_when_one_fails_nothing_goes_on_behind_the_callers_back(pool: Executor) -> None:
    begun, failed = threading.Semaphore(0), threading.Event()
    at_work, done = set[int](), list[int]()

    def work(number: int) -> None:
        if number == 2:
            assert all(begun.acquire(timeout=DEADLINE_S) for _ in range(2))
            failed.set()
            raise TransportError("S3 does not answer")
        at_work.add(number)
        begun.release()
        assert failed.wait(DEADLINE_S)
        at_work.remove(number)
        done.append(number)

    with pytest.raises(TransportError, match="S3 does not answer"):
        side_by_side(pool, work, range(100))

    assert not at_work
    assert {0, 1} <= set(done)
    assert len(done) < 100  # those that waited for their turn were called off
