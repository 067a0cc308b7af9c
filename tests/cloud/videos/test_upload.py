"""What S3 says of uploads, and what is made of their names."""

import contextlib
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.videos import naming
from cloud.videos.upload import Upload, read_event
from sightline.errors import MessageError
from sightline.topics import check_device
from tests.cloud.fakes import NOON

keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
    lambda key: not key.endswith("/")
)


def record(put: str, **changes: Any) -> dict[str, Any]:
    entry = {
        "key": quote_plus(put, safe="/"),
        "size": 5,
        "eTag": "abc",
        "sequencer": "0055AED6DCD90281E5",
    }
    return {
        "eventName": "ObjectCreated:Put",
        "eventTime": "2026-11-21T12:00:00.512Z",
        "s3": {"bucket": {"name": "input"}, "object": {**entry, **changes}},
    }


def read(*records: Any) -> tuple[Upload, ...]:
    return read_event({"Records": list(records)}, "input")


@given(keys)
def test_keys_are_read_as_s3_writes_them(key: str) -> None:
    [upload] = read(record(key))

    assert upload.key == key
    assert (upload.bytes, upload.etag) == (5, "abc")
    assert upload.uploaded_at == datetime(2026, 11, 21, 12, 0, 0, 512000, tzinfo=UTC)


@pytest.mark.parametrize("name", ["ObjectCreated:CompleteMultipartUpload", "ObjectCreated:Copy"])
def test_every_way_to_create_an_object_counts(name: str) -> None:
    assert len(read({**record("a.mp4"), "eventName": name})) == 1


def test_what_is_no_new_file_is_left_out() -> None:
    assert read(record("folder/")) == ()
    assert read({**record("a.mp4"), "eventName": "ObjectRemoved:Delete"}) == ()
    assert read_event({"Service": "Amazon S3", "Event": "s3:TestEvent"}, "input") == ()


@pytest.mark.parametrize(
    "event",
    [
        {},
        [],
        None,
        {"Records": {}},
        {"Records": [None]},
        {"Records": [{}]},
        {"Records": [{**record("a.mp4"), "eventTime": "yesterday"}]},
        {"Records": [{**record("a.mp4"), "eventTime": None}]},
        {"Records": [record("a.mp4", key="%ff.mp4")]},
        {"Records": [record("a.mp4", key=7)]},
        {"Records": [record("a.mp4", size="many")]},
        {"Records": [record("a.mp4", eTag="<html>")]},
        {"Records": [record("a.mp4", sequencer="not hexadecimal")]},
    ],
)
def test_what_is_no_notification_is_refused(event: Any) -> None:
    with pytest.raises(MessageError):
        read_event(event, "input")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["Records", "s3", "object", "bucket", "key", "eventName"]), inner
            )
        ),
        max_leaves=10,
    )
)
def test_a_stranger_causes_no_error_but_ours(event: Any) -> None:
    with contextlib.suppress(MessageError):
        read_event(event, "input")


def test_another_buckets_event_is_refused() -> None:
    with pytest.raises(MessageError, match="input"):
        read_event({"Records": [record("a.mp4")]}, "other")


def upload(key: str = "a.mp4", **changes: Any) -> Upload:
    given = {"bytes": 5, "etag": "abc", "uploaded_at": NOON, "sequencer": "0A", **changes}
    return Upload(key=key, **given)


def test_uploads_are_ordered_as_they_came() -> None:
    later = NOON.replace(microsecond=512001)
    uploads = [
        upload(sequencer="00"),
        upload(sequencer="0A"),
        upload(sequencer="0A01"),  # as if zeros stood behind the shorter
        upload(sequencer="0b"),
        upload(uploaded_at=later, sequencer="00"),
    ]

    assert [u.order for u in uploads] == sorted(u.order for u in uploads)
    assert len({u.job for u in uploads}) == 5


def test_two_that_came_together_are_told_apart_the_same_way_each_time() -> None:
    assert upload("a.mp4").order != upload("a.mov").order
    assert upload(etag="abc").order != upload(etag="abd").order
    assert upload().order == upload().order
    assert upload().order.isascii()


@given(keys)
def test_a_job_can_be_part_of_a_devices_name(key: str) -> None:
    job = upload(key).job

    assert naming.check_job(job) == job
    assert check_device(naming.device_of(job)) == f"video-{job}"


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("a.mp4", "a"),
        ("a.b.mp4", "a.b"),
        ("sub/ä b.mov", "sub/ä b"),
        ("v1.2/no ending", "v1.2/no ending"),
        ("x", "x"),
        (".mp4", ".mp4"),
        ("sub/.mp4", "sub/.mp4"),
        ("a.", "a."),
        ("a..mp4", "a."),
        ("/a.mp4", "/a"),
        ("a//b.mp4", "a//b"),
    ],
)
def test_the_name_is_the_key_without_its_last_ending(key: str, name: str) -> None:
    assert naming.name_of(key) == name


@given(keys, st.integers(1, 2_000_000))
def test_a_stills_number_is_read_out_of_what_it_is_written_in(key: str, number: int) -> None:
    name = naming.name_of(key)

    assert naming.still_number(name, naming.still_key(name, number)) == number
    assert naming.frame_number(naming.frame_id("a" * 26, number)) == number


@pytest.mark.parametrize(
    "key",
    [
        "x.jpg",
        "x/1.jpg",
        "x/00001.png",
        "x/y/00001.jpg",
        "x/0000a.jpg",
        "y/00001.jpg",
        "x/000001.jpg",
    ],
)
def test_what_is_no_still_has_no_number(key: str) -> None:
    assert naming.still_number("x", key) is None


def test_what_a_report_says_of_a_name_is_json() -> None:
    assert json.loads(json.dumps(naming.name_of('a"b\\.mp4'))) == 'a"b\\'
