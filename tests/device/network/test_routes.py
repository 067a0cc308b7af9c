"""What comes over the link before somebody asks for it."""

import pytest

from device.network.link import Acknowledge
from device.network.routes import UNACKNOWLEDGED, Routes

Heard = list[tuple[str, bytes]]


def routes_with(*topics: str, held: int = 10) -> Routes:
    routes = Routes(held=held)
    for number, topic in enumerate(topics):
        routes.deliver(topic, str(number).encode())
    return routes


def test_what_comes_before_its_route_is_held_for_it_in_order() -> None:
    routes, results, rest = routes_with("a/results", "a/errors", "a/results"), Heard(), Heard()

    routes.add("a/results", lambda *each: results.append(each))
    assert results == [("a/results", b"0"), ("a/results", b"2")]
    routes.add("a/+", lambda *each: rest.append(each))
    assert rest == [("a/errors", b"1")]  # each is held for the first who asks


def test_what_comes_after_goes_to_all_whom_it_concerns_and_is_not_held() -> None:
    routes, first, second = Routes(), Heard(), Heard()
    routes.add("a/+", lambda *each: first.append(each))
    routes.deliver("a/b", b"x")
    routes.add("a/b", lambda *each: second.append(each))
    routes.deliver("a/b", b"y")

    assert first == [("a/b", b"x"), ("a/b", b"y")]
    assert second == [("a/b", b"y")]
    assert routes.patterns() == {"a/+", "a/b"}


def test_what_is_held_is_bounded_and_the_newest_is_kept() -> None:
    routes, heard = routes_with(*["a"] * 5, held=2), Heard()
    routes.add("a", lambda *each: heard.append(each))
    assert heard == [("a", b"3"), ("a", b"4")]


def test_a_handler_may_add_a_route() -> None:
    routes, heard = routes_with("a", "b"), Heard()
    routes.add("a", lambda *_: routes.add("b", lambda *each: heard.append(each)))
    assert heard == [("b", b"1")]


def test_what_is_taken_is_acknowledged_once_all_who_have_it_say_so() -> None:
    routes, acknowledged = Routes(), list[str]()
    pending: list[Acknowledge] = []
    routes.take("a/+", lambda _t, _p, acknowledge: pending.append(acknowledge))
    routes.take("a/b", lambda _t, _p, acknowledge: pending.append(acknowledge))
    routes.add("a/#", lambda *_: None)
    routes.deliver("a/b", b"x", lambda: acknowledged.append("x"))

    pending[0]()
    assert acknowledged == []
    pending[1]()
    assert acknowledged == ["x"]


def test_what_a_plain_handler_was_given_is_acknowledged_even_if_it_fails() -> None:
    routes, acknowledged = Routes(), list[str]()

    def fail(*_: object) -> None:
        raise ValueError("a bug")

    routes.add("a", fail)
    with pytest.raises(ValueError, match="a bug"):
        routes.deliver("a", b"", lambda: acknowledged.append("a"))
    assert acknowledged == ["a"]


def test_what_is_held_is_not_acknowledged_before_it_is_asked_for() -> None:
    routes, acknowledged = Routes(), list[str]()
    routes.deliver("a", b"", lambda: acknowledged.append("a"))
    assert acknowledged == []
    routes.add("a", lambda *_: None)
    assert acknowledged == ["a"]


def test_what_nobody_asks_for_does_not_use_up_what_a_broker_has_out() -> None:
    routes, acknowledged = Routes(), list[int]()
    for i in range(UNACKNOWLEDGED + 7):
        routes.deliver("old", b"", lambda i=i: acknowledged.append(i))  # type: ignore[misc]

    assert acknowledged == list(range(7))
