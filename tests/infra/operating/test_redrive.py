"""Dead letters, sent round again."""

import base64
import dataclasses
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from cloud.videos.chunk import Chunk
from infra.account import Account
from infra.deploy import Deployment, deploy
from infra.destroy import destroy
from infra.local.facts import LocalFacts
from infra.local.lambda_service import Addresses
from infra.local.ports import free_port
from infra.local.stack import LocalStack
from infra.operating import redrive
from infra.target import Target
from sightline.errors import ConfigError, TransportError
from tests.infra.stubbed import ID, REGION, Stubbed, stubbed

NAME = "cam-recognize"
URL = f"https://sqs.{REGION}.amazonaws.com/{ID}/cam-dead-letters"


def of_lambda(event: dict[str, Any], function: str, error: str = "as told") -> dict[str, Any]:
    """What Lambda's OnFailure destination gets."""
    return {
        "version": "1.0",
        "timestamp": datetime.now(UTC).isoformat(),
        "requestContext": {
            "requestId": "1",
            "functionArn": f"arn:aws:lambda:{REGION}:{ID}:function:{function}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": event,
        "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
        "responsePayload": {"errorType": "RuntimeError", "errorMessage": error},
    }


def of_rule(topic: str, payload: bytes) -> dict[str, Any]:
    """What a rule's error action writes."""
    return {
        "ruleName": "cam_frames",
        "topic": topic,
        "cloudwatchTraceId": "1",
        "clientId": "door",
        "base64OriginalPayload": base64.b64encode(payload).decode(),
        "failures": [
            {
                "failedAction": "LambdaAction",
                "failedResource": f"arn:aws:lambda:{REGION}:{ID}:function:{NAME}",
                "errorMessage": "Failed to invoke lambda function. AccessDenied",
            }
        ],
    }


def event(device: str, payload: object = "hello") -> dict[str, Any]:
    return {
        "payload": base64.b64encode(json.dumps(payload).encode()).decode(),
        "topic": f"sightline/v1/{device}/frames",
        "client": device,
        "received_ms": 1,
    }


@pytest.fixture
def deployed(account: Account, deployment: Callable[..., Deployment]) -> Iterator[Target]:
    outputs = deploy(account, deployment("letters"), lambda _: None)
    yield Target(account=account, stack="letters", outputs=outputs)
    destroy(account, "letters", lambda _: None, everything=True)


def put(target: Target, *bodies: object) -> None:
    for body in bodies:
        text = body if isinstance(body, str) else json.dumps(body)
        url = target.output("DeadLetterQueueUrl")
        target.client("sqs").send_message(QueueUrl=url, MessageBody=text)


def waiting(target: Target) -> list[str]:
    """What is in the queue and can be had."""
    letters = redrive.collect(target, most=100)
    redrive.put_back(target, letters)
    return sorted(letter.reason for letter in (*letters.known, *letters.unknown))


@pytest.mark.stack
def test_both_shapes_go_round_and_strange_ones_stay(deployed: Target) -> None:
    put(
        deployed,
        of_lambda(event("door"), "letters-recognize"),
        of_rule("sightline/v1/door/frames", b"{}"),
        of_lambda(event("door"), "another-function"),
        {"something": "else"},
        "no json",
        [1],
    )

    letters = redrive.collect(deployed, most=100)
    sent = redrive.send(deployed, letters)

    assert sent == 2
    assert dict(letters.reasons) == {
        "RetriesExhausted, RuntimeError: as told": 1,
        "the rule could not hand it over: Failed to invoke lambda function. AccessDenied": 1,
    }
    assert waiting(deployed) == [
        "it is no JSON object",
        "it is not JSON",
        "it is of another-function, not of this stack's",
        "of no known shape, with the fields something",
    ]


@pytest.mark.stack
def test_a_chunk_of_a_video_goes_back_to_its_queue(deployed: Target) -> None:
    chunk = {"video": "a b", "job": "j", "chunk": 2, "frames": [], "last": True}
    mapping = deployed.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    for each in mapping:  # else it is taken out again at once
        deployed.client("lambda").delete_event_source_mapping(UUID=each["UUID"])
    put(deployed, chunk)

    letters = redrive.collect(deployed, most=100)
    sent = redrive.send(deployed, letters)

    assert letters.reasons == [("a chunk of a video failed 3 times", 1)]
    assert sent == 1
    assert waiting(deployed) == []
    url = deployed.output("VideoQueueUrl")
    (message,) = deployed.client("sqs").receive_message(QueueUrl=url)["Messages"]
    assert json.loads(message["Body"]) == chunk


def test_an_upload_s_event_goes_back_to_the_function_that_takes_it_apart(aws: Stubbed) -> None:
    s3_event = {"Records": [{"eventSource": "aws:s3"}]}

    _, letters = collected(aws, of_lambda(s3_event, NAME, "no room"))

    (letter,) = letters.known
    assert (letter.function, letter.event, letter.message) == (NAME, s3_event, None)


def test_a_chunk_is_known_by_what_it_is_written_with() -> None:
    names = {field.name for field in dataclasses.fields(Chunk)}

    assert names >= redrive.CHUNK_FIELDS


@pytest.mark.stack
def test_no_more_than_asked_for_and_none_is_lost_by_looking(deployed: Target) -> None:
    put(deployed, *(of_lambda(event(f"d{n}"), "letters-recognize") for n in range(13)))

    letters = redrive.collect(deployed, most=12)
    assert len(letters.known) == 12
    redrive.put_back(deployed, letters)

    assert len(waiting(deployed)) == 13


@pytest.mark.stack
def test_an_old_frames_event_is_taken_as_it_was_by_the_local_function(
    target: Target, stack: LocalStack
) -> None:
    name = target.output("RecognizeFunction")
    put(target, of_lambda(event("redriven", "late, but answered"), name))
    with target_operator(target, stack) as answers:
        letters = redrive.collect(target, most=1000)
        assert redrive.send(target, letters) >= 1
        received = next(each for each in answers if b"late, but" in each.payload)

    assert received.topic == "sightline/v1/redriven/results"


def target_operator(target: Target, stack: LocalStack) -> Any:
    from contextlib import contextmanager

    from infra.operating.operator_client import OperatorClient
    from infra.provisioning.operators import broker_of

    @contextmanager
    def answers() -> Iterator[Any]:
        folder = stack.settings.state / "operator-redrive"
        with OperatorClient(broker_of(target, folder, lambda _: None)) as client:
            client.subscribe(["sightline/v1/redriven/results"])
            yield client.messages(seconds=60)

    return answers()


# What follows is not on MiniStack, whose functions take everything at any time.


@pytest.fixture
def aws() -> Iterator[Stubbed]:
    with stubbed() as aws:
        yield aws
        aws.all_asked()


def collected(
    aws: Stubbed, *bodies: object, sent_ms: int = 7, told: LocalFacts | None = None
) -> tuple[Target, redrive.Letters]:
    outputs = {"DeadLetterQueueUrl": URL, "RecognizeFunction": NAME}
    target = Target(account=aws.account, stack="cam", outputs=outputs, facts=told)
    aws.answer("cloudformation", "list_stack_resources", {"StackResourceSummaries": [{
        "LogicalResourceId": "Recognize",
        "PhysicalResourceId": NAME,
        "ResourceType": "AWS::Lambda::Function",
        "LastUpdatedTimestamp": datetime.now(UTC),
        "ResourceStatus": "CREATE_COMPLETE",
    }]})  # fmt: skip
    messages = [
        {
            "MessageId": str(number),
            "ReceiptHandle": f"r{number}",
            "Body": json.dumps(body),
            "Attributes": {"SentTimestamp": str(sent_ms)},
        }
        for number, body in enumerate(bodies)
    ]
    aws.answer("sqs", "receive_message", {"Messages": messages})
    aws.answer("sqs", "receive_message", {})
    return target, redrive.collect(target, most=1000)


def test_a_letter_is_deleted_only_when_its_event_was_accepted(aws: Stubbed) -> None:
    bodies = [of_lambda(event(f"d{n}"), NAME) for n in range(3)]
    target, letters = collected(aws, *bodies)
    aws.of("lambda").add_response(
        "invoke",
        {"StatusCode": 202},
        {
            "FunctionName": NAME,
            "InvocationType": "Event",
            "Payload": json.dumps(event("d0")).encode(),
        },
    )
    aws.of("sqs").add_response("delete_message", {}, {"QueueUrl": URL, "ReceiptHandle": "r0"})
    aws.refuse("lambda", "invoke", "TooManyRequestsException", "slow down", 429)
    for receipt in ("r1", "r2"):
        hidden = {"QueueUrl": URL, "ReceiptHandle": receipt, "VisibilityTimeout": 0}
        aws.of("sqs").add_response("change_message_visibility", {}, hidden)
    told: list[str] = []

    with pytest.raises(TransportError, match="TooManyRequestsException; what is left is back"):
        redrive.send(target, letters, tell=lambda letter: told.append(letter.id))

    assert told == ["0"]


def test_no_right_to_invoke_is_the_operators_to_mend(aws: Stubbed) -> None:
    target, letters = collected(aws, of_lambda(event("d"), NAME))
    aws.refuse("lambda", "invoke", "AccessDeniedException", "no", 403)
    aws.answer("sqs", "change_message_visibility", {})

    with pytest.raises(ConfigError, match=f"invoking {NAME}: AccessDeniedException"):
        redrive.send(target, letters)


def test_a_local_stack_out_of_reach_is_told_without_its_secret(aws: Stubbed) -> None:
    addresses = Addresses(port=free_port())  # where nobody listens
    told = facts(aws.account, lambda_url=addresses.url)
    target, letters = collected(aws, of_lambda(event("d"), NAME), told=told)
    aws.answer("sqs", "change_message_visibility", {})

    with pytest.raises(TransportError) as failed:
        redrive.send(target, letters)

    assert f"invoking {NAME}: EndpointConnectionError; what is left" in str(failed.value)
    assert addresses.secret not in str(failed.value)


def facts(account: Account, *, lambda_url: str) -> LocalFacts:
    return LocalFacts(
        stack="cam",
        region=account.region,
        endpoint="",
        root_key_id="",
        root_secret="",
        mqtt_host="127.0.0.1",
        mqtt_port=1,
        credentials="127.0.0.1:1",
        lambda_url=lambda_url,
        http_url="",
        ca="",
        outputs={},
        pids={},
    )


@pytest.mark.parametrize(
    "topic", ["sightline/v1/door/frames", "$aws/rules/cam_frames/sightline/v1/door/frames"]
)
def test_a_rules_letter_becomes_the_event_that_the_rule_would_have_sent(
    aws: Stubbed, topic: str
) -> None:
    _, letters = collected(aws, of_rule(topic, b'{"key": "frames/door/1.jpg"}'), sent_ms=42)

    assert letters.known[0].function == NAME
    assert letters.known[0].event == {
        "payload": base64.b64encode(b'{"key": "frames/door/1.jpg"}').decode(),
        "topic": "sightline/v1/door/frames",
        "client": "door",
        "received_ms": 42,
    }
