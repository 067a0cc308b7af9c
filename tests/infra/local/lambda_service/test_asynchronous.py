"""Asynchronous invocation: the queue, retries, age, and the on-failure destination."""

import http.client
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from urllib.parse import urlsplit

from .conftest import Lab, eventually

NOTE = """
import os, time
def handler(event, context):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(f"{event} {context.aws_request_id} {time.monotonic()}\\n")
    if event == "bad":
        raise RuntimeError("no such luck")
"""
COUNT = """
import os, time
def handler(event, context):
    with open(os.environ["NOTES"], "a", buffering=1) as notes:
        notes.write("+\\n")
        time.sleep(0.002)
        notes.write("-\\n")
"""
HOLD = """
import os, pathlib, time
def handler(event, context):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(f"{event}\\n")
    while not pathlib.Path(os.environ["NOTES"] + ".open").exists():
        time.sleep(0.005)
"""


def test_an_event_is_accepted_at_once_and_run_later(lab: Lab) -> None:
    caller = lab.service(lab.function(NOTE))
    answer = caller.send("good")
    assert (answer.status, answer.body) == (202, b"")
    eventually(lambda: len(lab.lines()) == 1, "it ran")
    assert lab.lines()[0].split()[:2] == ["good", answer.headers["X-Amzn-RequestId"]]


def test_a_forwarded_event_is_answered_as_ministack_expects(lab: Lab) -> None:
    caller = lab.service(lab.function(NOTE))
    answer = caller.ask("POST", urlsplit(caller.service.addresses.of_async("fn")).path, b"1")
    assert (answer.status, answer.json) == (200, {})
    eventually(lambda: caller.service.stats("fn").done == 1, "it ran")


def test_a_failing_event_is_tried_three_times_with_growing_pauses(lab: Lab) -> None:
    caller = lab.service(lab.function(NOTE, retry_delays_s=(0.1, 0.3)))
    request_id = caller.send("bad").headers["X-Amzn-RequestId"]
    lab.destination.wait_for(1)
    tries = [line.split() for line in lab.lines()]
    assert [name for name, _, _ in tries] == ["bad"] * 3
    assert {known for _, known, _ in tries} == {request_id}
    first, second, third = (float(at) for _, _, at in tries)
    assert second - first >= 0.1
    assert third - second >= 0.3
    stats = caller.service.stats("fn")
    assert (stats.failed, stats.retried, stats.dead, stats.done) == (3, 2, 1, 0)


def test_a_pause_does_not_hold_up_other_events(lab: Lab) -> None:
    caller = lab.service(lab.function(NOTE, retry_delays_s=(0.3,), retries=1))
    caller.send("bad")
    eventually(lambda: len(lab.lines()) == 1, "the first try")
    caller.send("good")
    lab.destination.wait_for(1)
    assert [line.split()[0] for line in lab.lines()] == ["bad", "good", "bad"]


def test_the_record_of_a_failed_event_is_awss_own(lab: Lab) -> None:
    caller = lab.service(lab.function(NOTE, retries=0))
    request_id = caller.send("bad").headers["X-Amzn-RequestId"]
    record = lab.destination.wait_for(1)[0]
    assert lab.destination.records[0][0] == "arn:aws:sqs:us-east-1:000000000000:dead"
    assert datetime.fromisoformat(record.pop("timestamp")).tzinfo is not None
    payload = record.pop("responsePayload")
    assert (payload["errorType"], payload["errorMessage"]) == ("RuntimeError", "no such luck")
    assert record == {
        "version": "1.0",
        "requestContext": {
            "requestId": request_id,
            "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:fn:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 1,
        },
        "requestPayload": "bad",
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
    }


def test_a_destination_that_refuses_is_asked_again(lab: Lab) -> None:
    lab.destination.refusals = 2
    caller = lab.service(lab.function(NOTE, retries=0))
    caller.send("bad")
    assert len(lab.destination.wait_for(1)) == 1


def test_a_burst_is_served_whole_and_never_by_more_workers_than_told(lab: Lab) -> None:
    caller = lab.service(lab.function(COUNT, workers=3))
    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda i: caller.forward(i).status, range(200)))
    assert set(statuses) == {200}
    eventually(lambda: caller.service.stats("fn").done == 200, "all are served")
    running = most = 0
    for line in lab.lines():
        running += 1 if line == "+" else -1
        most = max(most, running)
    stats = caller.service.stats("fn")
    assert most <= 3
    assert (stats.peak_running, stats.starts, stats.queued, stats.dead) == (3, 3, 0, 0)


def test_an_event_that_waited_too_long_is_not_tried(lab: Lab) -> None:
    caller = lab.service(lab.function(HOLD, max_event_age_s=0.3))
    caller.send("first")
    eventually(lambda: lab.lines() == ["first"], "the first is running")
    caller.send("late")
    record = lab.destination.wait_for(1)[0]  # given up while the only worker is still busy
    lab.notes.with_name("notes.open").touch()
    assert record["requestPayload"] == "late"
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert "responsePayload" not in record
    eventually(lambda: caller.service.stats("fn").done == 1, "the first is served")
    assert lab.lines() == ["first"]
    assert caller.service.stats("fn").expired == 1


def test_an_event_whose_retry_would_come_too_late_is_given_up_at_once(lab: Lab) -> None:
    caller = lab.service(lab.function(NOTE, max_event_age_s=60, retry_delays_s=(61,)))
    caller.send("bad")
    record = lab.destination.wait_for(1)[0]
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert record["responsePayload"]["errorMessage"] == "no such luck"


def test_a_full_queue_refuses_and_counts(lab: Lab) -> None:
    caller = lab.service(lab.function(HOLD, queue_limit=1))
    caller.send("running")
    eventually(lambda: lab.lines() == ["running"], "the first is running")
    assert caller.send("waiting").status == 202
    refused = caller.send("refused")
    assert refused.status == 429
    assert refused.headers["X-Amzn-ErrorType"] == "TooManyRequestsException"
    assert "the queue of fn is full (1 events wait)" in refused.json["message"]
    assert caller.service.stats("fn").throttled == 1
    lab.notes.with_name("notes.open").touch()
    eventually(lambda: caller.service.stats("fn").done == 2, "both accepted ones are served")
    assert lab.destination.records == []


def test_the_queue_is_bounded_in_bytes_too(lab: Lab) -> None:
    caller = lab.service(lab.function(HOLD, queue_limit_bytes=1000))
    assert caller.send("x" * 1000).status == 429
    assert caller.send("x" * 900).status == 202
    lab.notes.with_name("notes.open").touch()


def test_a_forwarded_event_that_finds_the_queue_full_goes_to_the_destination(lab: Lab) -> None:
    caller = lab.service(lab.function(HOLD, queue_limit=1))
    caller.forward("running")
    eventually(lambda: lab.lines() == ["running"], "the first is running")
    caller.forward("waiting")
    assert caller.forward("too many").status == 200
    lab.notes.with_name("notes.open").touch()
    record = lab.destination.records[0][1]
    assert record["requestPayload"] == "too many"
    assert record["requestContext"]["condition"] == "QueueFull"
    assert caller.service.stats("fn").dead == 1


def test_a_forwarded_event_with_nowhere_to_go_is_refused(lab: Lab) -> None:
    caller = lab.service(lab.function(HOLD, queue_limit=1, on_failure_arn=None))
    caller.forward("running")
    eventually(lambda: lab.lines() == ["running"], "the first is running")
    caller.forward("waiting")
    assert caller.forward("too many").status == 429
    lab.notes.with_name("notes.open").touch()


def test_functions_do_not_wait_for_each_other(lab: Lab) -> None:
    other = lab.function("def handler(event, context):\n    return event\n", name="other")
    caller = lab.service(lab.function(HOLD), other)
    caller.send("holds")
    eventually(lambda: lab.lines() == ["holds"], "the first is running")
    assert caller.invoke("free", name="other").json == "free"
    lab.notes.with_name("notes.open").touch()


def test_a_stop_finishes_what_was_accepted(lab: Lab) -> None:
    caller = lab.service(lab.function(COUNT))
    for number in range(20):
        caller.send(number)
    caller.service.stop()
    assert caller.service.stats("fn").done == 20
    assert lab.destination.records == []


def test_a_stop_hands_over_what_it_cannot_finish(lab: Lab) -> None:
    caller = lab.service(lab.function(HOLD), grace_s=0.2)
    for name in ("running", "second", "third"):
        caller.send(name)
    eventually(lambda: lab.lines() == ["running"], "the first is running")
    began_s = time.monotonic()
    caller.service.stop()
    assert time.monotonic() - began_s < 5
    conditions = {r["requestContext"]["condition"] for _, r in lab.destination.records}
    assert conditions == {"ServiceStopped"}
    payloads = sorted(r["requestPayload"] for _, r in lab.destination.records)
    assert payloads == ["running", "second", "third"]


def test_a_stop_does_not_wait_for_retries_that_are_far_off(lab: Lab) -> None:
    caller = lab.service(lab.function(NOTE, retry_delays_s=(60,)), grace_s=30)
    caller.send("bad")
    eventually(lambda: caller.service.stats("fn").failed == 1, "the first try")
    eventually(lambda: caller.service.stats("fn").queued == 1, "it waits for the second")
    began_s = time.monotonic()
    caller.service.stop()
    assert time.monotonic() - began_s < 10
    record = lab.destination.records[0][1]
    assert record["requestContext"]["condition"] == "ServiceStopped"
    assert record["requestContext"]["approximateInvokeCount"] == 1


def test_what_comes_while_it_stops_is_refused(lab: Lab) -> None:
    caller = lab.service(lab.function(HOLD), grace_s=5)
    caller.send("running")
    eventually(lambda: lab.lines() == ["running"], "the first is running")
    path = urlsplit(caller.service.addresses.of_async("fn")).path
    connection = http.client.HTTPConnection(caller.service.addresses.host_and_port, timeout=5)
    connection.request("POST", path, b"1")
    assert json.load(connection.getresponse()) == {}
    stopper = threading.Thread(target=caller.service.stop)
    stopper.start()

    def refused() -> bool:
        connection.request("POST", path, b"2")
        response = connection.getresponse()
        response.read()
        return response.status == 503

    eventually(refused, "refused")
    lab.notes.with_name("notes.open").touch()
    stopper.join()
    connection.close()
    stats = caller.service.stats("fn")
    assert stats.done + stats.dead >= 2
    assert stats.queued == stats.running == 0
