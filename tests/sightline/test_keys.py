from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.keys import frame_key, is_frame_of, new_frame_id, stem

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
devices = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
times = st.datetimes(datetime(1970, 1, 2), datetime(9000, 1, 1), timezones=st.just(UTC))


@given(devices, times)
def test_a_device_owns_the_keys_it_writes_and_no_other_does(device: str, at: datetime) -> None:
    frame_id = new_frame_id(at)
    key = frame_key(device, frame_id, at)
    assert is_frame_of(device, key)
    assert not is_frame_of(device + "x", key)
    assert not is_frame_of(device[:-1], key)
    assert stem(key) == frame_id


@given(times, st.integers(1, 10**9))
def test_frame_ids_are_version_7_and_sort_as_the_frames_were_taken(at: datetime, ms: int) -> None:
    earlier, later = new_frame_id(at), new_frame_id(at + timedelta(milliseconds=ms))
    assert earlier < later
    assert UUID(earlier).version == 7
    assert UUID(earlier).variant == "specified in RFC 4122"
    assert UUID(earlier).int >> 80 == pytest.approx(at.timestamp() * 1000, abs=1)


def test_frame_ids_of_one_instant_differ() -> None:
    assert len({new_frame_id(NOON) for _ in range(1000)}) == 1000


def test_a_key_reads_as_the_contract_writes_it() -> None:
    assert frame_key("front-door", "f", NOON) == "frames/front-door/2026/11/21/f.jpg"


@pytest.mark.parametrize(
    "key",
    [
        "frames/back-door/2026/11/21/f.jpg",
        "frames/front-door/../back-door/f.jpg",
        "frames/front-door/./f.jpg",
        "frames/front-door//f.jpg",
        "frames/front-door/",
        "frames/front-door",
        "frames/front-door-2/f.jpg",
        "/frames/front-door/f.jpg",
        "segments/front-door/f.mp4",
        "frames\\front-door\\f.jpg",
        "frames/front-door/..\\f.jpg",
        "frames/front-door/f\n.jpg",
        "frames/front-door/" + "f" * 1024,
        "",
    ],
)
def test_a_key_that_could_be_anothers_is_foreign(key: str) -> None:
    assert not is_frame_of("front-door", key)
