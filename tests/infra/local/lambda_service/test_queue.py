"""A queue's poller: it waits for a worker, and is told of a failure by the status alone."""

import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from infra.local.lambda_service.invocation import Invocation
from sightline.errors import TransportError

from .conftest import Caller, Lab, eventually
from .test_invoke import ECHO, GATE, RAISE


def work_off(caller: Caller, body: bytes = b"{}") -> int:
    return caller.post("/queue/fn", body).status


def test_a_message_is_done_when_the_function_is(lab: Lab) -> None:
    caller = lab.service(lab.function(ECHO))

    answer = caller.post("/queue/fn", b'{"Records": []}')

    assert answer.status == 200
    assert answer.json["event"] == {"Records": []}
    path = urlsplit(caller.service.addresses.of_queue("fn")).path
    assert caller.ask("POST", path, b"1").json["event"] == 1


def test_a_message_that_failed_is_a_status_and_is_not_tried_again_here(lab: Lab) -> None:
    caller = lab.service(lab.function(RAISE, retries=2))

    answer = caller.post("/queue/fn", b"{}")

    assert answer.status == 500
    assert answer.json["errorMessage"] == "no such luck"
    assert caller.service.stats("fn").retried == 0
    assert lab.destination.records == []  # what becomes of it is the queue's


def test_a_message_waits_for_a_worker_that_another_has(lab: Lab) -> None:
    caller = lab.service(lab.function(GATE, workers=1))
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(work_off, caller)
        eventually(lambda: lab.lines() == ["in"], "the first is under way")
        second = pool.submit(work_off, caller)
        lab.notes.with_name("notes.open").touch()
        assert (first.result(), second.result()) == (200, 200)

    stats = caller.service.stats("fn")
    assert (stats.throttled, stats.peak_running, stats.done) == (0, 1, 2)


def test_patience_ends_with_the_service(lab: Lab) -> None:
    caller = lab.service(lab.function(GATE, workers=1), grace_s=0.1)
    with ThreadPoolExecutor(2) as pool:
        pool.submit(caller.service.invoke, "fn", Invocation(payload=b"{}"))
        eventually(lambda: lab.lines() == ["in"], "the worker is busy")
        invocation = Invocation(payload=b"{}")
        waiting = pool.submit(caller.service.invoke, "fn", invocation, patience_s=60)
        caller.service.stop()
        with pytest.raises(TransportError, match="stopping"):
            waiting.result(timeout=10)


def test_patience_that_is_over_is_a_throttle(lab: Lab) -> None:
    caller = lab.service(lab.function(GATE, workers=1))
    busy = threading.Thread(target=caller.invoke, args=({},))
    busy.start()
    eventually(lambda: lab.lines() == ["in"], "the worker is busy")

    with pytest.raises(TransportError, match="Rate Exceeded"):
        caller.service.invoke("fn", Invocation(payload=b"{}"), patience_s=0.05)

    lab.notes.with_name("notes.open").touch()
    busy.join()
    assert caller.service.stats("fn").throttled == 1
