"""What holds of every store of frames."""

from collections.abc import Callable
from uuid import uuid4

import pytest

from cloud import aws
from cloud.fetching import FrameStore
from cloud.memory import MemoryFrames
from cloud.s3 import S3Frames
from sightline.errors import ImageError, MissingError

Filled = Callable[[dict[str, bytes]], FrameStore]


@pytest.fixture(params=["memory", "s3"])
def filled(request: pytest.FixtureRequest) -> Filled:
    if request.param == "memory":
        return lambda objects: MemoryFrames(objects, max_bytes=1000)
    client: aws.Client = request.getfixturevalue("s3_client")

    def fill(objects: dict[str, bytes]) -> FrameStore:
        bucket = f"media-{uuid4()}"
        client.create_bucket(Bucket=bucket)
        for key, data in objects.items():
            client.put_object(Bucket=bucket, Key=key, Body=data)
        return S3Frames(client, bucket, max_bytes=1000)

    return fill


@pytest.mark.parametrize("key", ["frames/door/1.jpg", "frames/door/a b+c%2F(ä).jpg"])
def test_a_frame_is_read_as_it_was_stored(filled: Filled, key: str) -> None:
    assert filled({key: b"\xff\xd8 a jpeg"}).get(key) == b"\xff\xd8 a jpeg"


def test_an_empty_object_is_no_error(filled: Filled) -> None:
    assert filled({"frames/door/1.jpg": b""}).get("frames/door/1.jpg") == b""


def test_what_is_not_there_is_missing(filled: Filled) -> None:
    with pytest.raises(MissingError):
        filled({}).get("frames/door/1.jpg")


def test_what_is_too_large_is_not_read(filled: Filled) -> None:
    frames = filled({"exact": bytes(1000), "over": bytes(1001)})

    assert len(frames.get("exact")) == 1000
    with pytest.raises(ImageError) as raised:
        frames.get("over")
    assert raised.value.reason == "too_large"
