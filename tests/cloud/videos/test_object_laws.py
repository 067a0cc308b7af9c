"""What holds of every place for uploads, stills and outputs, in the process or in S3."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cloud import aws
from cloud.videos.memory import MemoryObjects, MemoryUploads
from cloud.videos.objects import JPEG, Objects, ReplacedError, Uploads
from cloud.videos.s3 import SAMPLING, S3Objects, S3Uploads
from sightline.errors import ConfigError, MissingError

Filled = Callable[[str, bytes, str | None], tuple[Uploads, str]]  # key, bytes, sampling; ETag

KEYS = ["a.mp4", "sub/ä b+c%2F.mov", "\u202egpj.mp4", "=x.mp4", "new\nline\x07.mp4"]


@pytest.fixture(params=["memory", "s3"])
def filled(request: pytest.FixtureRequest) -> Filled:
    if request.param == "memory":
        uploads = MemoryUploads()
        return lambda key, data, sampling: (uploads, uploads.put(key, data, sampling=sampling))
    client: aws.Client = request.getfixturevalue("s3_client")
    bucket: str = request.getfixturevalue("bucket")

    def fill(key: str, data: bytes, sampling: str | None) -> tuple[Uploads, str]:
        metadata = {} if sampling is None else {SAMPLING: sampling}
        put = client.put_object(Bucket=bucket, Key=key, Body=data, Metadata=metadata)
        return S3Uploads(client, bucket), put["ETag"].strip('"')

    return fill


@pytest.fixture(params=["memory", "s3"])
def objects(request: pytest.FixtureRequest) -> Objects:
    if request.param == "memory":
        return MemoryObjects()
    return S3Objects(request.getfixturevalue("s3_client"), request.getfixturevalue("bucket"))


def put(objects: Objects, key: str, body: bytes | Path, stamp: str = "1") -> bool:
    return objects.put(key, body, content_type=JPEG, stamp=stamp)


@pytest.mark.parametrize("key", KEYS)
def test_an_upload_is_read_as_it_was_put(filled: Filled, tmp_path: Path, key: str) -> None:
    data = bytes(range(256)) * 8192  # more than is read at once
    uploads, etag = filled(key, data, "all")

    facts = uploads.facts(key, etag)
    digest = uploads.fetch(key, etag, tmp_path / "video")

    assert (facts.bytes, facts.sampling) == (len(data), "all")
    assert (tmp_path / "video").read_bytes() == data
    assert digest == hashlib.sha256(data).hexdigest()


def test_an_upload_need_not_say_a_sampling(filled: Filled) -> None:
    uploads, etag = filled("a.mp4", b"", None)

    assert uploads.facts("a.mp4", etag).sampling is None
    assert uploads.facts("a.mp4", etag).bytes == 0


def test_an_upload_that_is_gone_is_missing(filled: Filled, tmp_path: Path) -> None:
    uploads, etag = filled("a.mp4", b"x", None)

    with pytest.raises(MissingError):
        uploads.facts("b.mp4", etag)
    with pytest.raises(MissingError):
        uploads.fetch("b.mp4", etag, tmp_path / "video")


def test_an_upload_that_was_replaced_is_not_read(filled: Filled, tmp_path: Path) -> None:
    _, before = filled("a.mp4", b"before", None)
    uploads, _ = filled("a.mp4", b"after", None)

    with pytest.raises(ReplacedError):
        uploads.facts("a.mp4", before)
    with pytest.raises(ReplacedError):
        uploads.fetch("a.mp4", before, tmp_path / "video")


@pytest.mark.parametrize("key", KEYS)
def test_an_object_is_read_as_it_was_put(objects: Objects, key: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"from a file")

    assert put(objects, key, b"bytes")
    assert objects.get(key) == b"bytes"
    assert put(objects, key, file, "2")
    assert objects.get(key) == b"from a file"


def test_what_is_older_does_not_take_the_place_of_what_is_newer(objects: Objects) -> None:
    assert put(objects, "a", b"newer", "2026#0002")
    assert not put(objects, "a", b"older", "2026#0001")
    assert objects.get("a") == b"newer"

    assert put(objects, "a", b"again", "2026#0002")
    assert objects.get("a") == b"again"


def test_of_writers_at_the_same_moment_the_newest_stays(objects: Objects) -> None:
    with ThreadPoolExecutor(4) as pool:
        stamps = [f"{number:02}" for number in (3, 1, 4, 2, 7, 5, 6, 0)]
        list(pool.map(lambda stamp: put(objects, "a", stamp.encode(), stamp), stamps))

    assert objects.get("a") == b"07"


def test_what_is_not_there_is_missing_and_can_be_removed(objects: Objects) -> None:
    with pytest.raises(MissingError):
        objects.get("a")
    objects.remove(["a", "b"])
    objects.remove(["a"], before="1")
    objects.remove([])


def test_what_is_removed_is_gone(objects: Objects) -> None:
    for number in range(1003):  # more than S3 removes at once
        put(objects, f"x/{number:05}.jpg", b"")
    put(objects, "x.jpg", b"")

    objects.remove([f"x/{number:05}.jpg" for number in range(1, 1003)])

    assert list(objects.names("x/")) == ["x/00000.jpg"]
    assert objects.get("x.jpg") == b""


def test_what_is_newer_is_not_removed(objects: Objects) -> None:
    put(objects, "older", b"", "1")
    put(objects, "same", b"", "2")
    put(objects, "newer", b"", "3")

    objects.remove(["older", "same", "newer"], before="2")

    assert objects.get("newer") == objects.get("same") == b""
    with pytest.raises(MissingError):
        objects.get("older")


def test_names_are_those_right_below_a_folder(objects: Objects) -> None:
    for key in ["ä +/00002.jpg", "ä +/00001.jpg", "ä +/sub/00001.jpg", "ä +.jpg", "ä +1/00001.jpg"]:
        put(objects, key, b"")

    assert list(objects.names("ä +/")) == ["ä +/00001.jpg", "ä +/00002.jpg"]
    assert list(objects.names("none/")) == []


def test_all_names_are_listed_page_by_page(s3_client: aws.Client, bucket: str) -> None:
    objects = S3Objects(s3_client, bucket)
    for number in range(1005):
        s3_client.put_object(Bucket=bucket, Key=f"x/{number:05}.jpg", Body=b"")

    assert sum(1 for _ in objects.names("x/")) == 1005


def test_a_bucket_that_does_not_exist_is_named(s3_client: aws.Client, tmp_path: Path) -> None:
    objects, uploads = (
        S3Objects(s3_client, "nowhere-at-all"),
        S3Uploads(s3_client, "nowhere-at-all"),
    )

    with pytest.raises(ConfigError, match="nowhere-at-all"):
        put(objects, "a", b"")
    with pytest.raises(ConfigError, match="nowhere-at-all"):
        uploads.fetch("a", "e", tmp_path / "video")
