from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from infra.account import Account
from infra.videos.buckets import S3Bucket
from sightline.errors import ConfigError
from tests.infra.videos.conftest import RealBucket
from tests.infra.videos.memory import MemoryBucket

KEYS = ["a.mp4", "sub/ä b.mov", "v1.2 (final) +1 & 50%.mp4", "日本/東京.mp4"]


@pytest.fixture(params=["memory", "s3"])
def bucket(request: pytest.FixtureRequest) -> Any:
    if request.param == "memory":
        return MemoryBucket()
    account: Account = request.getfixturevalue("account")
    made = RealBucket(account.client("s3"), f"bucket-{uuid4().hex[:8]}")
    account.client("s3").create_bucket(Bucket=made.name)
    return made


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    def make(data: bytes) -> Path:
        path = tmp_path / "file"
        path.write_bytes(data)
        return path

    return make


@pytest.mark.parametrize("key", KEYS)
def test_what_is_put_is_there_under_just_that_key(
    key: str, bucket: Any, file: Callable[[bytes], Path]
) -> None:
    sent: list[int] = []

    bucket.put(key, file(b"video"), metadata={"sightline-sampling": "all"}, sent=sent.append)

    assert bucket.get(key) == b"video"
    assert bucket.find(key).size == sum(sent) == 5
    assert list(bucket.list("")) == [key]
    assert bucket.list("")[key].etag == bucket.find(key).etag


def test_what_is_not_there_is_none(bucket: Any) -> None:
    assert bucket.get("nothing") is None
    assert bucket.find("nothing") is None
    assert bucket.list("nothing") == {}


def test_a_listing_holds_what_begins_so(bucket: Any) -> None:
    for key in ("load/1/a.txt", "load/1/b.txt", "load/10/a.txt", "other"):
        bucket.put_data(key, b"")

    assert sorted(bucket.list("load/1/")) == ["load/1/a.txt", "load/1/b.txt"]


def test_what_is_deleted_is_gone_and_what_was_not_there_is_no_error(bucket: Any) -> None:
    bucket.put_data("a", b"")
    bucket.put_data("b", b"")

    bucket.delete(["a", "nothing"])

    assert list(bucket.list("")) == ["b"]


def test_a_bucket_that_is_missing_is_named(account: Account, file: Callable[[bytes], Path]) -> None:
    bucket = S3Bucket(account.client("s3"), "no-such-bucket")

    with pytest.raises(ConfigError, match="bucket no-such-bucket: NoSuchBucket"):
        bucket.put("a", file(b""), metadata={})
    with pytest.raises(ConfigError, match="listing the bucket no-such-bucket: NoSuchBucket"):
        bucket.list("")
