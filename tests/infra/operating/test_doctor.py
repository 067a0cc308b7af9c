"""The operator's doctor where only AWS itself could be asked.

MiniStack has no role aliases, rolls nothing back and lets IoT call any function, so these stand on
clients that answer as AWS documents it.
"""

import json
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from device.doctor.finding import Finding
from infra.operating.doctor import STACK_CHECKS, examine
from infra.target import Endpoints, Target
from sightline.errors import ConfigError
from tests.device.fakes import NOON
from tests.infra.aws_answers import Answers

FUNCTION = "sightline-recognize"
RULE = "sightline_frames"


def healthy() -> dict[str, Any]:
    """What a healthy account answers, by service and operation."""
    policy = {
        "Statement": [
            {
                "Principal": {"Service": "iot.amazonaws.com"},
                "Condition": {"ArnLike": {"AWS:SourceArn": f"arn:aws:iot:x:1:rule/{RULE}"}},
            }
        ]
    }
    resources = {"FramesRule": RULE, "DeviceRole": "sightline-device", "AnAlarm": "sightline-a"}
    return {
        "sts.get_caller_identity": {
            "Account": "123456789012",
            "Arn": "arn:aws:iam::123456789012:user/ada",
            "ResponseMetadata": {"HTTPHeaders": {"date": "Sat, 21 Nov 2026 12:00:00 GMT"}},
        },
        "cloudformation.describe_stacks": {
            "Stacks": [{"StackStatus": "UPDATE_COMPLETE", "StackId": "s", "Outputs": []}]
        },
        "cloudformation.list_stack_resources": {
            "StackResourceSummaries": [
                {"LogicalResourceId": k, "PhysicalResourceId": v, "ResourceType": "x"}
                for k, v in resources.items()
            ]
        },
        "iot.get_topic_rule": {
            "rule": {
                "ruleDisabled": False,
                "actions": [{"lambda": {"functionArn": f"arn:aws:lambda:x:1:function:{FUNCTION}"}}],
                "errorAction": {"sqs": {}},
            }
        },
        "iot.describe_role_alias": {
            "roleAliasDescription": {
                "roleArn": "arn:aws:iam::1:role/sightline-device",
                "credentialDurationSeconds": 900,
            }
        },
        "lambda.get_function": {
            "Configuration": {
                "State": "Active",
                "LastUpdateStatus": "Successful",
                "MemorySize": 2048,
                "Timeout": 30,
            }
        },
        "s3.get_bucket_notification_configuration": {
            "LambdaFunctionConfigurations": [
                {"LambdaFunctionArn": "arn:aws:lambda:x:1:function:sightline-split-video"}
            ]
        },
        "lambda.list_event_source_mappings": {"EventSourceMappings": [{"State": "Enabled"}]},
        "lambda.get_policy": {"Policy": json.dumps(policy)},
        "sqs.get_queue_attributes": {"Attributes": {"ApproximateNumberOfMessages": "0"}},
        "iam.get_role": {
            "Role": {"AssumeRolePolicyDocument": {"x": "credentials.iot.amazonaws.com"}}
        },
        "cloudwatch.describe_alarms": {
            "MetricAlarms": [{"AlarmName": "sightline-a", "StateValue": "OK"}]
        },
    }


class FakeTarget(Target):
    """A stack whose endpoint is this machine."""

    def endpoints(self) -> Endpoints:
        return Endpoints(mqtt_host="127.0.0.1", mqtt_port=1, credentials="c", ca_pem="")


def examined(answers: Mapping[str, Any]) -> dict[str, Finding]:
    account: Any = Answers(answers)
    outputs = {
        "RecognizeFunction": FUNCTION,
        "DeadLetterQueueUrl": "https://sqs/q",
        "RoleAlias": "sightline-device",
        "InputBucket": "sightline-input",
        "SplitVideoFunction": "sightline-split-video",
        "RecognizeVideoFunction": "sightline-recognize-video",
    }
    found = examine(
        lambda: account,
        "sightline",
        lambda _: None,
        open_target=lambda: FakeTarget(account=account, stack="sightline", outputs=outputs),
        now=lambda: NOON,
    )
    return {finding.check: finding for finding in found.findings}


def error(code: str, message: str = "") -> Callable[[], Any]:
    def fail() -> Any:
        raise ClientError({"Error": {"Code": code, "Message": message}}, "x")

    return fail


@pytest.mark.parametrize(
    ("asked", "answer", "said"),
    [
        (
            "s3.get_bucket_notification_configuration",
            {},
            "tells sightline-split-video of no upload",
        ),
        (
            "lambda.list_event_source_mappings",
            {"EventSourceMappings": [{"State": "Disabled"}]},
            "its mapping to sightline-recognize-video is Disabled",
        ),
        ("lambda.list_event_source_mappings", {"EventSourceMappings": []}, "is gone"),
    ],
)
def test_a_chain_of_videos_that_is_cut_is_found(asked: str, answer: Any, said: str) -> None:
    found = examined({**healthy(), asked: answer})["videos"]

    assert found.state == "fault"
    assert said in found.said


def test_all_of_a_healthy_account_is_found_so() -> None:
    found = examined(healthy())

    assert list(found) == ["credentials", "clock", "stack", *STACK_CHECKS]
    assert found.pop("endpoint").state == "fault"  # nobody listens on this machine's port 1
    assert {finding.state for finding in found.values()} == {"ok"}
    assert found["credentials"].said.startswith("user/ada of account 123456789012")
    assert found["role alias"].said == "sightline-device gives sightline-device for 900 s"


@pytest.mark.parametrize(
    ("state", "finding", "words"),
    [
        ("ROLLBACK_COMPLETE", "fault", "`./run deploy` clears it away"),
        ("UPDATE_ROLLBACK_FAILED", "fault", "deploy --continue-rollback"),
        ("UPDATE_IN_PROGRESS", "warning", "is being changed"),
        ("DELETE_FAILED", "fault", "./run --stack sightline destroy"),
        ("UPDATE_ROLLBACK_COMPLETE", "ok", ""),
    ],
)
def test_a_stacks_state_is_judged(state: str, finding: str, words: str) -> None:
    answers = healthy()
    answers["cloudformation.describe_stacks"]["Stacks"][0]["StackStatus"] = state

    found = examined(answers)

    assert found["stack"].state == finding
    assert words in found["stack"].line()
    assert (found["rule"].state == "not tried") == (finding == "fault")


def test_no_stack_is_told_with_the_command_that_makes_it() -> None:
    missing = error("ValidationError", "Stack with id sightline does not exist")

    found = examined({**healthy(), "cloudformation.describe_stacks": missing})

    assert "there is no stack sightline in eu-central-1" in found["stack"].said
    assert "./run deploy" in found["stack"].mend
    assert {found[name].said for name in STACK_CHECKS} == {"since stack failed"}


def test_refused_credentials_leave_all_else_untried() -> None:
    found = examined({**healthy(), "sts.get_caller_identity": error("ExpiredToken", "expired")})

    assert "ExpiredToken" in found["credentials"].said
    assert {found[name].state for name in ("clock", "stack", *STACK_CHECKS)} == {"not tried"}


def test_no_credentials_at_all_are_told() -> None:
    def none() -> Any:
        raise ConfigError("no AWS region; give one with --region, or set AWS_REGION")

    found = examine(
        none,
        "sightline",
        lambda _: None,
        open_target=lambda: SimpleNamespace(),  # type: ignore[arg-type, return-value]
    )

    assert found.findings[0].said == "no AWS region"
    assert found.findings[0].mend == "give one with --region, or set AWS_REGION"
    assert found.summary() == f"1 fault, {2 + len(STACK_CHECKS)} not tried"


def test_a_role_alias_that_is_gone_is_told() -> None:
    gone = error("ResourceNotFoundException", "no such alias")

    found = examined({**healthy(), "iot.describe_role_alias": gone})

    assert found["role alias"].state == "fault"
    assert "reading the role alias sightline-device" in found["role alias"].said


@pytest.mark.parametrize(
    ("operation", "change", "check", "state", "words"),
    [
        ("lambda.get_function", {"State": "Failed"}, "function", "fault", "is Failed"),
        (
            "lambda.get_function",
            {"LastUpdateStatus": "Failed", "LastUpdateStatusReason": "the image is gone"},
            *("function", "fault", "the image is gone"),
        ),
        ("lambda.get_function", {"State": "Pending"}, "function", "warning", "in a minute"),
    ],
)
def test_a_functions_state_is_judged(
    operation: str, change: dict[str, str], check: str, state: str, words: str
) -> None:
    answers = healthy()
    answers[operation]["Configuration"] |= change

    found = examined(answers)[check]

    assert found.state == state
    assert words in found.line()


def test_a_function_that_may_not_run_is_told() -> None:
    answers = healthy()
    answers["lambda.get_function"]["Concurrency"] = {"ReservedConcurrentExecutions": 0}

    assert "delete-function-concurrency" in examined(answers)["function"].mend


def test_a_function_that_iot_may_not_call_is_told() -> None:
    refused = error("ResourceNotFoundException", "no policy")

    found = examined({**healthy(), "lambda.get_policy": refused})["function"]

    assert (found.state, found.said) == ("fault", f"AWS IoT may not call {FUNCTION}")


def test_a_rule_that_calls_another_function_or_has_no_error_action_is_told() -> None:
    other, bare = healthy(), healthy()
    other["iot.get_topic_rule"]["rule"]["actions"][0]["lambda"]["functionArn"] += "-2"
    del bare["iot.get_topic_rule"]["rule"]["errorAction"]

    assert f"does not call {FUNCTION}" in examined(other)["rule"].said
    assert examined(bare)["rule"].state == "warning"


def test_one_refused_look_leaves_the_others() -> None:
    refused = error("AccessDenied", "not allowed to look at queues")

    found = examined({**healthy(), "sqs.get_queue_attributes": refused})

    assert "AccessDenied" in found["dead letters"].said
    assert found["alarms"].state == "ok"
