"""What comes over the link before somebody asks for it."""

from device.routes import Routes

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
