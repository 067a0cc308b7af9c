"""Uploads, chunks and schedules on this machine: what MiniStack invokes, how often, and after what.

The functions are small ones: what the real ones do is tested elsewhere.
"""

import dataclasses
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.stack import LocalSettings, LocalStack
from infra.target import Target

pytestmark = pytest.mark.stack

SPLIT = """
import json, os, boto3
from urllib.parse import unquote_plus
s3, sqs = boto3.client("s3"), boto3.client("sqs")

def handler(event, context):
    for record in event.get("Records", []):
        key = unquote_plus(record["s3"]["object"]["key"])
        held = s3.get_object(Bucket=os.environ["SIGHTLINE_INPUT_BUCKET"], Key=key)
        body = {"video": key, "text": held["Body"].read().decode()}
        sqs.send_message(
            QueueUrl=os.environ["SIGHTLINE_VIDEO_QUEUE_URL"], MessageBody=json.dumps(body)
        )
"""
RECOGNIZE = """
import json, os, boto3
s3, lambda_ = boto3.client("s3"), boto3.client("lambda")

def handler(event, context):
    failed = []
    for record in event["Records"]:
        try:
            serve(record, json.loads(record["body"]))
        except RuntimeError:
            failed.append({"itemIdentifier": record["messageId"]})
    if len(failed) == len(event["Records"]):
        raise RuntimeError("as told")
    return {"batchItemFailures": failed}

def serve(record, body):
    if body["text"] == "fail":
        raise RuntimeError("as told")
    if body["text"] == "more":
        lambda_.invoke(
            FunctionName=os.environ["SIGHTLINE_SPLIT_FUNCTION"],
            InvocationType="Event",
            Payload="{}",
        )
    s3.put_object(
        Bucket=os.environ["SIGHTLINE_OUTPUT_BUCKET"],
        Key=body["video"] + ".txt",
        Body=record["attributes"]["ApproximateReceiveCount"],
    )
"""
API = """
import json
def handler(event, context):
    return {"statusCode": 200, "body": json.dumps(event["requestContext"].get("authorizer"))}
"""
SWEEP = "def handler(event, context): pass\n"


@pytest.fixture(scope="module")
def chain_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("chain")
    for folder in ("cloud", "sightline"):
        (root / folder).mkdir()
        (root / folder / "__init__.py").touch()
    sources = {"split_video": SPLIT, "recognize_video": RECOGNIZE, "api": API}
    for name in ("sweep_videos", "recognize", "admit"):
        sources[name] = SWEEP
    for name, source in sources.items():
        (root / "cloud" / f"{name}.py").write_text(source)
    return root


@pytest.fixture
def own(settings: LocalSettings, chain_code: Path, tmp_path: Path) -> LocalSettings:
    return dataclasses.replace(settings, state=tmp_path / "state", code_root=chain_code, workers=2)


@pytest.fixture(scope="module")
def chain(
    settings: LocalSettings, chain_code: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalStack]:
    own = dataclasses.replace(
        settings,
        state=tmp_path_factory.mktemp("chain-state"),
        code_root=chain_code,
        workers=2,
        parameters={"BucketPrefix": "ada"},
    )
    with LocalStack(own) as stack:
        yield stack


def upload(stack: LocalStack, key: str, text: str = "x") -> None:
    target = Target.local(stack.settings.state)
    bucket = target.output("InputBucket")
    target.client("s3").put_object(Bucket=bucket, Key=key, Body=text.encode())


def result(stack: LocalStack, key: str, *, seconds: float = 20) -> str:
    target = Target.local(stack.settings.state)
    s3, bucket = target.client("s3"), target.output("OutputBucket")
    return str(until(lambda: read(s3, bucket, key), f"{key} is there", seconds=seconds))


def read(s3: Any, bucket: str, key: str) -> str | None:
    try:
        text: str = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    except s3.exceptions.NoSuchKey:
        return None
    return text


def until(look: Callable[[], Any], what: str, *, seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)
    return found


def test_an_upload_of_any_name_comes_out_in_a_bucket_of_the_prefix(chain: LocalStack) -> None:
    assert chain.facts.outputs["InputBucket"] == "ada-input"

    upload(chain, "sub/ä b+c.x.mp4")

    assert result(chain, "sub/ä b+c.x.mp4.txt") == "1"


def test_a_chunk_may_ask_for_more(chain: LocalStack) -> None:
    before = chain.lambda_service.stats("sightline-split-video").done

    upload(chain, "m", "more")

    result(chain, "m.txt")
    until(
        lambda: chain.lambda_service.stats("sightline-split-video").done == before + 2,
        "the function that takes videos apart was asked",
    )


def test_no_more_chunks_are_given_out_than_there_are_workers(chain: LocalStack) -> None:
    for number in range(12):
        upload(chain, f"many/{number}")
    for number in range(12):
        assert result(chain, f"many/{number}.txt") == "1"

    stats = chain.lambda_service.stats("sightline-recognize-video")
    assert stats.peak_running <= stats.workers <= 2
    assert stats.throttled == stats.failed == 0


def test_a_chunk_that_fails_is_tried_three_times_and_then_a_dead_letter(chain: LocalStack) -> None:
    before = chain.lambda_service.stats("sightline-recognize-video").failed

    upload(chain, "f", "fail")

    target = Target.local(chain.settings.state)
    queue = target.output("DeadLetterQueueUrl")
    (message,) = until(
        lambda: target.client("sqs").receive_message(QueueUrl=queue).get("Messages"),
        "the dead letter is there",
        seconds=30,
    )
    assert json.loads(message["Body"]) == {"video": "f", "text": "fail"}
    assert chain.lambda_service.stats("sightline-recognize-video").failed - before == 3


def test_videos_are_not_waited_for_with_warm_workers(own: LocalSettings) -> None:
    with LocalStack(own) as stack:
        service = stack.lambda_service
        assert service.wait_warm()
        for name in ("split-video", "recognize-video", "sweep-videos", "api"):
            assert service.stats(f"sightline-{name}").starts == 0
        assert service.stats("sightline-recognize").starts == 2


class Holding(LocalStack):
    """A stack that can stop taking messages, as it does when it ends."""

    def hold(self) -> None:
        assert self._ministack is not None
        self._ministack.hold_queues()


def test_a_chunk_that_somebody_had_in_hand_comes_again_at_the_next_start_on_another_port(
    own: LocalSettings,
) -> None:
    with Holding(own) as stack:
        stack.hold()
        target = Target.local(own.state)
        queue, sqs = target.output("VideoQueueUrl"), target.client("sqs")

        def hidden() -> bool:
            body = json.dumps({"video": "left", "text": "x"})
            sqs.send_message(QueueUrl=queue, MessageBody=body)
            taken = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=600)
            return "Messages" in taken

        until(hidden, "the queue is held, and a message in our hand")
        first = stack.facts.endpoint
    with LocalStack(own) as again:
        assert again.facts.endpoint != first
        assert int(result(again, "left.txt")) >= 1
        queue = Target.local(own.state).output("VideoQueueUrl")
        counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        until(
            lambda: (
                set(
                    Target.local(own.state)
                    .client("sqs")
                    .get_queue_attributes(QueueUrl=queue, AttributeNames=counts)["Attributes"]
                    .values()
                )
                == {"0"}
            ),
            "nothing is left of it",
        )


def test_an_upload_while_nothing_runs_the_functions_yet_is_not_lost(own: LocalSettings) -> None:
    done = threading.Event()

    class Early(LocalStack):
        def _start_functions(self, *arguments: Any) -> Any:
            account = arguments[1]
            (bucket,) = [
                each["Name"]
                for each in account.client("s3").list_buckets()["Buckets"]
                if each["Name"].endswith("-input")
            ]
            account.client("s3").put_object(Bucket=bucket, Key="early", Body=b"x")
            done.set()
            return super()._start_functions(*arguments)

    with Early(own) as stack:
        assert done.is_set()
        assert result(stack, "early.txt") == "1"


@pytest.mark.parametrize("without_keys", [False, True])
def test_http_is_served_beside_the_rest_and_open_only_if_asked_for(
    own: LocalSettings, without_keys: bool
) -> None:
    with LocalStack(dataclasses.replace(own, http_without_keys=without_keys)) as stack:
        assert stack.facts.outputs["HttpApi"] == stack.facts.http_url
        connection = http.client.HTTPConnection(
            stack.facts.http_url.removeprefix("http://"), timeout=20
        )
        connection.request("GET", "/v1/health")
        known = json.loads(connection.getresponse().read())
        connection.close()

    assert known == ({"iam": {"userArn": "local", "userId": "local"}} if without_keys else None)


def test_stalled_videos_are_looked_for_every_minute(chain: LocalStack) -> None:
    target = Target.local(chain.settings.state)
    rule = target.client("events").describe_rule(Name="sightline-sweep-videos")

    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(1 minute)", "ENABLED")
    until(
        lambda: chain.lambda_service.stats("sightline-sweep-videos").done,
        "the sweeper ran",
        seconds=75,
    )
