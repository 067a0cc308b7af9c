"""The same work on several things at once."""

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Executor, wait
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(pool: Executor, work: Callable[[T], R], things: Iterable[T]) -> list[R]:
    """Do *work* on each of *things*; give what came of each, in their order.

    When one fails, those that wait are called off, and none goes on behind the caller's back. Then
    the first failure is raised.
    """
    futures = [pool.submit(work, each) for each in things]
    done, left = wait(futures, return_when=FIRST_EXCEPTION)
    for each in left:
        each.cancel()
    wait(left)
    for each in done:
        each.result()  # the failure, before any that was called off for it
    return [each.result() for each in futures]
