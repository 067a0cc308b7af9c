"""The parts of `verify-on-aws` that only AWS has (metrics, its log), and the report."""

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from device.doctor.finding import Finding
from infra.target import Target
from infra.verification import guards
from infra.verification.price import estimate
from infra.verification.props import Props, dead_letters
from infra.verification.report import Run, markdown
from infra.verification.suite import log_url
from tests.infra.aws_answers import Answers

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
OUTPUTS = {"RecognizeFunction": "sightline-recognize", "DeadLetterQueueUrl": "https://sqs/q"}


def target(answers: dict[str, Any]) -> Target:
    account: Any = Answers(answers)
    return Target(account=account, stack="sightline", outputs=OUTPUTS)


def run(**known: Any) -> Run:
    return Run(stack="sightline", region="eu-central-1", is_local=False, began=NOON, **known)


def logged(*messages: str) -> Target:
    resource = {
        "LogicalResourceId": "RecognizeLog",
        "PhysicalResourceId": "/aws/lambda/sightline-recognize",
        "ResourceType": "AWS::Logs::LogGroup",
    }
    return target(
        {
            "cloudformation.list_stack_resources": {"StackResourceSummaries": [resource]},
            "logs.filter_log_events": {"events": [{"message": each} for each in messages]},
        }
    )


def test_a_picture_in_the_log_is_found() -> None:
    clean = logged("START", '{"message": "frame 0193502b-7c1e-7a52-9f6e-0d6c1f6d2b11 answered"}')
    dirty = logged("START", "rejected /9j/" + "Qk0AAA" * 60)

    assert guards.log_holds_no_picture(clean, NOON).said == "no picture in 2 lines"
    found = guards.log_holds_no_picture(dirty, NOON)
    assert (found.state, found.said) == ("fault", "1 lines hold what may be a picture")


def test_a_function_that_logs_nothing_is_a_fault() -> None:
    assert guards.log_holds_no_picture(logged(), NOON).state == "fault"


def test_metrics_are_waited_for() -> None:
    answers = iter([[], [], [{"Sum": 12.0}, {"Sum": 8.0}]])
    pauses: list[float] = []
    where = target({"cloudwatch.get_metric_statistics": lambda: {"Datapoints": next(answers)}})

    found = guards.metrics(where, NOON, pauses.append, lambda _: None)

    assert (found.state, found.said) == ("ok", "20 frames counted")
    assert len(pauses) == 2
    [_, _, (name, asked)] = where.account.asked  # type: ignore[attr-defined]
    assert name == "cloudwatch.get_metric_statistics"
    assert asked["Namespace"] == "sightline"
    assert asked["Dimensions"] == [{"Name": "Stack", "Value": "sightline"}]


def test_dead_letters_of_others_are_put_back() -> None:
    messages = [
        {"ReceiptHandle": "1", "Body": '{"topic": "sightline/v1/front-door/frames"}'},
        {"ReceiptHandle": "2", "Body": '{"topic": "sightline/v1/verify-1/frames"}'},
        {"ReceiptHandle": "3", "Body": "no JSON at all"},
    ]
    where = target(
        {
            "sqs.receive_message": {"Messages": messages},
            "sqs.delete_message": {},
            "sqs.change_message_visibility": {},
        }
    )

    assert dead_letters(where, of="verify-1") == 1
    asked = where.account.asked  # type: ignore[attr-defined]
    by_name = [(name, given["ReceiptHandle"]) for name, given in asked[1:]]
    assert by_name == [
        ("sqs.change_message_visibility", "1"),
        ("sqs.delete_message", "2"),
        ("sqs.change_message_visibility", "3"),
    ]


def test_the_log_is_linked_to_if_the_stack_has_the_link() -> None:
    linked = replace(target({}), outputs={**OUTPUTS, "FunctionLogLink": "https://log"})

    assert log_url(linked) == "https://log"
    assert log_url(target({})) == "log group /aws/lambda/sightline-recognize"


def test_a_report_says_what_failed_where_to_look_and_what_is_left() -> None:
    findings = [
        Finding(check="enrol", state="ok", said="done", timings_ms={"took": 1250.0}),
        Finding(check="known", state="fault", said="a | b", mend="mend it"),
    ]

    text = markdown(
        run(findings=findings, log_url="https://log", left=["thing verify-1"], took_s=61.2)
    )

    assert text.startswith("## sightline on AWS, eu-central-1: FAILED\n")
    assert "| enrol | ✔ ok | 1.2 | done |" in text
    assert "| known | ✘ **fault** |  | a \\| b; mend it |" in text
    assert "The function's log: https://log" in text
    assert "- thing verify-1" in text


@pytest.mark.parametrize(
    ("known", "passed"),
    [
        ({"findings": [Finding(state="ok", said="")]}, True),
        ({"findings": [Finding(state="not tried", said="")]}, True),
        ({"findings": [Finding(state="fault", said="")]}, False),
        ({"findings": [Finding(state="ok", said="")], "left": ["thing"]}, False),
        ({"findings": [Finding(state="ok", said="")], "interrupted": True}, False),
        ({"findings": []}, False),
    ],
)
def test_a_run_has_passed_only_if_nothing_failed_and_nothing_is_left(
    known: dict[str, Any], passed: bool
) -> None:
    assert run(**known).passed == passed


def test_a_passed_report_has_no_link_and_no_list_of_what_is_left() -> None:
    text = markdown(run(findings=[Finding(state="ok", said="")], log_url="https://log"))

    assert "https://log" not in text
    assert "Left behind" not in text


def test_a_run_costs_a_cent_or_two_with_the_defaults() -> None:
    price = estimate(frames=30, deployed={})

    assert 0 < price.usd < 0.05
    assert price.words().startswith("30 frames, less than ")
    assert f"prices of us-east-1, {price.prices.read_on}" in price.words()


def test_more_frames_cost_more() -> None:
    assert 0 <= estimate(frames=1, deployed={}).usd < estimate(frames=1000, deployed={}).usd


def test_on_one_machine_there_are_no_metrics_to_wait_for() -> None:
    where: Any = SimpleNamespace(facts=object())

    assert guards.metrics(where, NOON, lambda _: None, lambda _: None).state == "not tried"


def test_what_cannot_be_removed_is_told_and_the_rest_removed_all_the_same() -> None:
    props, removed = Props(target({}), lambda _: None), []

    def fail() -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no right"}}, "x")

    props.remove_at_end("the first", lambda: removed.append("first"))
    props.remove_at_end("the thing", fail)
    props.remove_at_end("the last", lambda: removed.append("last"))

    assert props.remove() == ["the thing: removing the thing: AccessDenied: no right"]
    assert removed == ["last", "first"]
    assert not props.folder.exists()
    assert props.remove() == []
