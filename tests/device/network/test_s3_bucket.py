"""Frames to S3 over HTTP: with credentials that end, and more than once."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from device.network.s3_frame_store import S3FrameStore
from sightline.errors import TransportError
from tests.device.recording.fake_s3 import FakeS3, fake_s3

JPEG = b"\xff\xd8 a frame"
SHA256 = hashlib.sha256(JPEG).hexdigest()


@pytest.fixture
def s3() -> Iterator[FakeS3]:
    with fake_s3() as fake:
        yield fake


class Provider:
    """Gives credentials that hold for so long; each time others."""

    def __init__(self, *minutes: float) -> None:
        self.minutes = list(minutes)
        self.asked = 0
        self.away = False

    def __call__(self) -> dict[str, str]:
        self.asked += 1
        if self.away:
            raise TransportError("the provider cannot be reached")
        left = self.minutes.pop(0) if len(self.minutes) > 1 else self.minutes[0]
        return {
            "access_key": f"key{self.asked}",
            "secret_key": "secret",
            "token": "token",
            "expiry_time": (datetime.now(UTC) + timedelta(minutes=left)).isoformat(),
        }


def put(store: S3FrameStore, *names: str) -> None:
    for name in names:
        store.put(name, JPEG, SHA256)


def test_credentials_are_used_for_as_long_as_they_hold(s3: FakeS3) -> None:
    provider = Provider(60)
    put(S3FrameStore(s3.settings(), provider), "a", "b", "c")

    assert s3.shown == ["key1"] * 3
    assert provider.asked == 1


def test_credentials_that_end_soon_are_refreshed_before_they_do(s3: FakeS3) -> None:
    provider = Provider(14, 60)  # a quarter of an hour ahead
    put(S3FrameStore(s3.settings(), provider), "a", "b", "c")

    assert s3.shown == ["key2"] * 3


def test_while_no_others_can_be_had_those_that_still_hold_are_used(s3: FakeS3) -> None:
    provider = Provider(14)
    store = S3FrameStore(s3.settings(), provider)
    store.prepare()
    provider.away = True
    put(store, "a", "b")

    assert s3.shown == ["key1"] * 2
    assert provider.asked > 1


def test_where_the_clock_is_ahead_of_all_credentials_it_is_named_and_tried_again(
    s3: FakeS3,
) -> None:
    provider = Provider(-60, -60, 60)
    store = S3FrameStore(s3.settings(), provider)
    for _ in range(2):
        with pytest.raises(TransportError, match=r"is later here; is this clock right\?"):
            put(store, "a")
    put(store, "a")  # it has been set

    assert [*s3.objects] == ["a"]


def test_a_clock_that_leaps_ahead_while_credentials_are_held_is_no_end(s3: FakeS3) -> None:
    provider = Provider(5, -60, 60)
    store = S3FrameStore(s3.settings(), provider)
    store.prepare()
    with pytest.raises(TransportError, match="is this clock right"):
        put(store, "a")
    put(store, "a")

    assert [*s3.objects] == ["a"]


def test_a_frame_that_is_put_twice_is_there_once_and_the_first_stays(s3: FakeS3) -> None:
    store = S3FrameStore(s3.settings(), Provider(60))
    put(store, "a", "a")
    store.put("a", b"other", hashlib.sha256(b"other").hexdigest())

    assert s3.objects == {"a": JPEG}
    assert s3.asked == ["put"] * 3
