"""A file too large for one request, as the tools of AWS upload it, and the event that S3 makes."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from boto3.session import Session

from cloud import aws
from cloud.videos.objects import ReplacedError
from cloud.videos.s3 import S3Uploads
from cloud.videos.upload import read_event
from infra.local.ministack.server import MiniStackServer
from tests.cloud.videos.world import World, film

KEY = "Ferien 2026/Märchen am See.take 2.mp4"
NAME = "Ferien 2026/Märchen am See.take 2"
Event = dict[str, Any]
_TRIES = 30  # of a second
PART_BYTES = 8 * 1024 * 1024  # of boto3 and of `aws s3 cp`


@pytest.fixture
def next_event(
    ministack: MiniStackServer, session: Session, s3_client: aws.Client, bucket: str
) -> Callable[[], Event]:
    """Receive what the bucket says of uploads, as its notification hands it on."""
    sqs = aws.client(session, "sqs", ministack.url)
    queue = sqs.create_queue(QueueName=bucket)["QueueUrl"]
    asked = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    arn = asked["Attributes"]["QueueArn"]
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    to_queue = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}
    s3_client.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [to_queue]}
    )

    def receive() -> Event:
        for _ in range(_TRIES):
            messages = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", ())
            for message in messages:
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                event: Event = json.loads(message["Body"])
                if "Records" in event:  # else S3's own test of the notification
                    return event
        raise AssertionError("the bucket said nothing of the upload")

    return receive


def test_a_file_uploaded_in_parts_is_read_whole(
    s3_client: aws.Client, bucket: str, next_event: Callable[[], Event], tmp_path: Path
) -> None:
    data = film(["Ada"], ["Bob"]).ljust(2 * PART_BYTES + 12345)
    (tmp_path / "film.mp4").write_bytes(data)
    s3_client.upload_file(str(tmp_path / "film.mp4"), bucket, KEY)

    event = next_event()

    [record] = event["Records"]
    assert record["eventName"] == "ObjectCreated:CompleteMultipartUpload"
    assert " " not in record["s3"]["object"]["key"]  # it is quoted
    [upload] = read_event(event, bucket)
    assert (upload.key, upload.name, upload.bytes) == (KEY, NAME, len(data))
    assert upload.etag.endswith("-3")  # no digest of the bytes

    uploads = S3Uploads(s3_client, bucket)
    assert uploads.facts(KEY, upload.etag).bytes == len(data)
    assert uploads.fetch(KEY, upload.etag, tmp_path / "read") == hashlib.sha256(data).hexdigest()
    assert (tmp_path / "read").read_bytes() == data

    world = World(max_bytes=len(data), uploads=uploads)
    world.split(upload)
    world.run()
    assert world.report(NAME)["sha256"] == hashlib.sha256(data).hexdigest()
    assert world.text(f"{NAME}.txt") == "Ada\nBob\n"


def test_a_file_replaced_by_one_in_other_parts_is_not_read(
    s3_client: aws.Client, bucket: str, next_event: Callable[[], Event], tmp_path: Path
) -> None:
    (tmp_path / "film.mp4").write_bytes(bytes(PART_BYTES + 1))
    s3_client.upload_file(str(tmp_path / "film.mp4"), bucket, KEY)
    [upload] = read_event(next_event(), bucket)

    s3_client.put_object(Bucket=bucket, Key=KEY, Body=bytes(PART_BYTES + 1))

    with pytest.raises(ReplacedError):
        S3Uploads(s3_client, bucket).fetch(KEY, upload.etag, tmp_path / "read")
