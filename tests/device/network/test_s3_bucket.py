"""Frames to S3 over HTTP: with credentials that end, and more than once."""

import hashlib
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from device.network.s3_frame_store import S3FrameStore
from sightline.errors import ConfigError, TransportError
from tests.device.authority import DAY, Authority, tls_server
from tests.device.fakes import settings
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


def failure(url: str) -> str:
    """What is said of a bucket at *url*; the same of each frame, or it would be logged of each."""
    store = S3FrameStore(replace(settings().storage, s3_endpoint=url), Provider(60))
    said = set()
    for name in ("a", "b"):
        with pytest.raises(TransportError) as caught:
            put(store, name)
        said.add(str(caught.value))
    (same,) = said
    return same


def test_a_name_without_an_address_is_told_apart_from_a_service_that_is_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    assert "there is no address for no-bucket.invalid" in failure("http://no-bucket.invalid")
    assert f"nobody listens on 127.0.0.1:{port}" in failure(f"https://127.0.0.1:{port}")


def test_who_answers_tls_in_the_buckets_place_is_named(tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "Hotel Wi-Fi")
    login = stranger.issue("login.hotel.example")
    with tls_server(login, stranger.ca) as port:
        said = failure(f"https://127.0.0.1:{port}")

    assert "'login.hotel.example' from 'Hotel Wi-Fi': a captive portal?" in said


def test_a_portal_whose_certificate_this_machine_trusts_is_still_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = Authority(tmp_path, "Well Known")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(stranger.ca))
    login = stranger.issue("login", address="127.0.0.9")
    with tls_server(login, stranger.ca) as port:
        said = failure(f"https://127.0.0.1:{port}")

    assert "'127.0.0.9' from 'Well Known': a captive portal?" in said


def test_a_certificate_of_the_buckets_that_has_expired_asks_for_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.ca))
    old = authority.issue("s3", address="127.0.0.1", valid=-DAY)
    with tls_server(old, authority.ca) as port:
        there = replace(settings().storage, s3_endpoint=f"https://127.0.0.1:{port}")
        with pytest.raises(ConfigError, match=r"has expired; is this clock right\?"):
            put(S3FrameStore(there, Provider(60)), "a")


def test_a_clock_that_s3_does_not_agree_with_is_named(s3: FakeS3) -> None:
    s3.fail["put"] = "RequestTimeTooSkewed"
    with pytest.raises(TransportError, match=r"another time; is this clock right\?"):
        put(S3FrameStore(s3.settings(), Provider(60)), "a")
