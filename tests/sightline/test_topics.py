import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.errors import MessageError
from sightline.topics import check_topic, every, parse, through, topic

devices = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
channels = st.sampled_from(["frames", "results", "errors", "status", "commands"])


@given(devices, channels)
def test_a_topic_that_is_written_is_read_back_and_taken_by_the_broker(device, channel) -> None:
    written = topic(device, channel)
    assert parse(written) == (device, channel)
    assert check_topic(written) == written


@given(devices, st.from_regex(r"[A-Za-z0-9_]{1,128}", fullmatch=True))
def test_a_topic_through_a_rule_is_taken_and_nobodys_channel(device: str, rule: str) -> None:
    written = through(rule, topic(device, "frames"))
    assert written == f"$aws/rules/{rule}/sightline/v1/{device}/frames"
    assert check_topic(written) == written
    with pytest.raises(MessageError):
        parse(written)


@given(st.text())
def test_any_other_text_is_refused_with_our_error(text: str) -> None:
    with pytest.raises(MessageError):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "sightline/v1/door",
        "sightline/v1/door/frames/x",
        "sightline/v1/door/selfies",
        "sightline/v2/door/frames",
        "sightline/v1/+/frames",
        "sightline/v1//frames",
        "x/sightline/v1/door/frames",
    ],
)
def test_a_topic_that_is_nearly_ours_is_refused(text: str) -> None:
    with pytest.raises(MessageError):
        parse(text)


def test_the_filter_of_a_channel_has_a_plus_for_the_device() -> None:
    assert every("results") == "sightline/v1/+/results"


@pytest.mark.parametrize("device", ["", "a/b", "+", "#", "a" * 65, "\n", "door\n"])
def test_no_device_name_can_leave_its_level(device: str) -> None:
    with pytest.raises(MessageError):
        topic(device, "frames")


@pytest.mark.parametrize("text", ["", "a" * 257, "a/" * 8 + "b", "a\0b"])
def test_a_topic_over_the_brokers_limits_is_refused(text: str) -> None:
    with pytest.raises(MessageError):
        check_topic(text)


def test_a_topic_at_the_brokers_limits_is_taken() -> None:
    check_topic("a" * 256)
    check_topic("a/" * 7 + "b")
