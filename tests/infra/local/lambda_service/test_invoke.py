"""Synchronous invocation: what comes back, and what is said when nothing can."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from infra.local.lambda_service.invocation import MAX_ASYNC_BYTES, MAX_SYNC_BYTES
from sightline.errors import ConfigError

from .conftest import Caller, Lab, eventually

ECHO = """
def handler(event, context):
    return {"event": event, "id": context.aws_request_id, "arn": context.invoked_function_arn,
            "left": context.get_remaining_time_in_millis(), "name": context.function_name,
            "version": context.function_version, "memory": context.memory_limit_in_mb}
"""
RAISE = """
def handler(event, context):
    raise ValueError("no such luck")
"""
GATE = """
import os, pathlib, time
def handler(event, context):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write("in\\n")
    gate = pathlib.Path(os.environ["NOTES"] + ".open")
    while not gate.exists():
        time.sleep(0.005)
    return event
"""


def test_the_handlers_value_comes_back_with_a_true_context(lab: Lab) -> None:
    caller = lab.service(lab.function(ECHO, memory_mb=512, account="123456789012"))
    answer = caller.invoke({"who": "Grace"})
    assert answer.status == 200
    assert "X-Amz-Function-Error" not in answer.headers
    assert answer.headers["X-Amz-Executed-Version"] == "$LATEST"
    seen = answer.json
    assert seen["event"] == {"who": "Grace"}
    assert seen["id"] == answer.headers["X-Amzn-RequestId"]
    assert seen["arn"] == "arn:aws:lambda:us-east-1:123456789012:function:fn"
    assert (seen["name"], seen["version"], seen["memory"]) == ("fn", "$LATEST", "512")
    assert 0 < seen["left"] <= 10_000


@pytest.mark.parametrize(
    "name", ["fn:$LATEST", "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Afn"]
)
def test_a_function_is_found_by_version_and_by_arn(lab: Lab, name: str) -> None:
    assert lab.service(lab.function(ECHO)).invoke(1, name=name).json["event"] == 1


def test_an_exception_is_a_function_error_with_its_trace(lab: Lab) -> None:
    answer = lab.service(lab.function(RAISE)).invoke({})
    assert answer.status == 200
    assert answer.headers["X-Amz-Function-Error"] == "Unhandled"
    assert answer.json["errorType"] == "ValueError"
    assert answer.json["errorMessage"] == "no such luck"
    assert "raise ValueError" in answer.json["stackTrace"][0]


def test_the_worker_is_kept_for_the_next_invocation(lab: Lab) -> None:
    caller = lab.service(lab.function(ECHO, workers=3))
    for _ in range(5):
        caller.invoke({})
    stats = caller.service.stats("fn")
    assert (stats.starts, stats.workers, stats.done, stats.peak_running) == (1, 1, 5, 1)


def test_a_warm_worker_is_there_before_the_first_event(lab: Lab) -> None:
    caller = lab.service(lab.function(ECHO, workers=2, warm=1))
    assert caller.service.wait_warm(15)
    assert len(caller.service.worker_pids("fn")) == 1
    caller.invoke({})
    assert caller.service.stats("fn").starts == 1


def test_a_busy_function_is_throttled(lab: Lab) -> None:
    caller = lab.service(lab.function(GATE))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(caller.invoke, "first")
        eventually(lambda: lab.lines() == ["in"], "the first is running")
        second = caller.invoke("second")
        lab.notes.with_name("notes.open").touch()
        assert first.result().json == "first"
    assert second.status == 429
    assert second.headers["X-Amzn-ErrorType"] == "TooManyRequestsException"
    assert "all 1 workers of fn are busy" in second.json["message"]
    assert caller.service.stats("fn").throttled == 1


def test_six_megabytes_go_in_and_out(lab: Lab) -> None:
    caller = lab.service(lab.function("def handler(event, context):\n    return event\n"))
    event = "x" * (MAX_SYNC_BYTES - 2)
    assert caller.invoke(event).json == event


def test_more_than_six_megabytes_are_refused(lab: Lab) -> None:
    caller = lab.service(lab.function(ECHO))
    answer = caller.invoke("x" * MAX_SYNC_BYTES)
    assert answer.status == 413
    assert answer.headers["X-Amzn-ErrorType"] == "RequestTooLargeException"


def test_an_event_to_be_queued_has_a_smaller_limit(lab: Lab) -> None:
    caller = lab.service(lab.function(ECHO))
    assert caller.send("x" * MAX_ASYNC_BYTES).status == 413
    assert caller.forward("x" * MAX_ASYNC_BYTES).status == 413


def test_an_answer_of_more_than_six_megabytes_is_a_function_error(lab: Lab) -> None:
    source = f"def handler(event, context):\n    return 'x' * (event or {MAX_SYNC_BYTES})\n"
    caller = lab.service(lab.function(source))
    answer = caller.invoke(0)
    assert answer.json["errorType"] == "Function.ResponseSizeTooLarge"
    assert caller.invoke(1).json == "x"  # by a new worker: the runtime client gives up on a 413


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_not_json_is_refused(lab: Lab, body: bytes) -> None:
    caller = lab.service(lab.function(ECHO))
    for path in ("/2015-03-31/functions/fn/invocations", "/async/fn"):
        answer = caller.post(path, body)
        assert answer.status == 400
        assert answer.headers["X-Amzn-ErrorType"] == "InvalidRequestContentException"


def test_an_unknown_function_is_named(lab: Lab) -> None:
    answer = lab.service(lab.function(ECHO)).invoke({}, name="other")
    assert answer.status == 404
    assert answer.headers["X-Amzn-ErrorType"] == "ResourceNotFoundException"
    assert "'other'" in answer.json["message"]


def test_a_dry_run_runs_nothing(lab: Lab) -> None:
    caller = lab.service(lab.function(ECHO))
    assert caller.invoke({}, X_Amz_Invocation_Type="DryRun").status == 204
    assert caller.service.stats("fn").starts == 0


@pytest.mark.parametrize("header", [{"Origin": "http://a.example"}, {"Host": "a.example:80"}])
def test_a_web_page_cannot_invoke(lab: Lab, header: dict[str, str]) -> None:
    caller = lab.service(lab.function(ECHO))
    assert caller.invoke({}, **header).status == 403
    assert caller.service.stats("fn").starts == 0


def test_boto3_understands_the_service(lab: Lab) -> None:
    boto3 = pytest.importorskip("boto3")
    caller = lab.service(lab.function(RAISE))
    client = boto3.client(
        "lambda",
        endpoint_url=caller.service.addresses.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    answer = client.invoke(FunctionName="fn", Payload=b"{}")
    assert answer["FunctionError"] == "Unhandled"
    assert b"no such luck" in answer["Payload"].read()
    assert client.invoke(FunctionName="fn", InvocationType="Event")["StatusCode"] == 202
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke(FunctionName="other")
    client.close()


def test_a_port_in_use_is_named_with_its_mend(lab: Lab) -> None:
    holder = lab.service(lab.function(ECHO))
    port = holder.service.addresses.port
    with pytest.raises(ConfigError, match=f"port {port} on 127.0.0.1.*choose another"):
        lab.service(lab.function(ECHO, name="second"), port=port)
    assert not any(thread.name == "second slot" for thread in threading.enumerate())


def test_it_listens_on_loopback_alone(lab: Lab) -> None:
    caller: Caller = lab.service(lab.function(ECHO))
    assert caller.service.addresses.url.startswith("http://127.0.0.1:")
