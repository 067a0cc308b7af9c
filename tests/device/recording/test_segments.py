from itertools import groupby

import pytest

from device.recording.segments import GAP_S, Segments
from tests.device.fakes import NOON
from tests.device.recording.film import BEGUN_S, evenly


def lengths(segments: Segments, times: list[float], key_each: int = 1) -> list[int]:
    """How many frames each segment gets."""
    placed = []
    for number, at_s in enumerate(times):
        begun = segments.place(at_s, NOON, form="a", key=number % key_each == 0)
        placed.append(begun.id if begun else "none")
    return [len(list(each)) for _, each in groupby(placed)]


@pytest.mark.parametrize(
    ("fps", "length_s", "each"),
    [(10, 0.5, 5), (30, 0.5, 15), (29.97, 0.5, 15), (12.5, 0.5, 6), (25, 300, 7500), (0.9, 0.5, 1)],
)
def test_segments_are_as_long_as_wanted_to_the_nearest_frame(
    fps: float, length_s: float, each: int
) -> None:
    counts = lengths(Segments(length_s), list(evenly(4 * each, fps)))

    assert counts == [each] * 4


def test_a_camera_whose_rate_varies_gets_segments_of_the_same_length() -> None:
    times, at_s = [], BEGUN_S
    for number in range(300):
        times.append(at_s)
        at_s += 1 / 30 if number % 100 < 50 else 1 / 10  # it gets dark, and light again
    segments, begins = Segments(1.0), dict[str, float]()
    for each in times:
        begun = segments.place(each, NOON, form="a", key=True)
        assert begun
        begins.setdefault(begun.id, begun.at_s)

    gaps = [b - a for a, b in zip(list(begins.values()), list(begins.values())[1:], strict=False)]
    assert all(0.9 < gap < 1.1 for gap in gaps)


def test_a_segment_of_packets_begins_with_a_key_frame_however_late_that_comes() -> None:
    assert lengths(Segments(0.5), list(evenly(90, 30)), key_each=15) == [15] * 6
    assert lengths(Segments(0.5), list(evenly(90, 15)), key_each=15) == [15] * 6
    assert lengths(Segments(1.0), list(evenly(90, 29.97)), key_each=15) == [30] * 3


def test_before_the_first_key_frame_there_is_no_segment() -> None:
    segments = Segments(0.5)

    assert segments.place(BEGUN_S, NOON, form="a", key=False) is None
    assert segments.find(BEGUN_S) is None
    assert segments.place(BEGUN_S + 0.1, NOON, form="a", key=True)
    assert segments.find(BEGUN_S) is None


def test_where_frames_stop_or_change_their_form_another_segment_begins() -> None:
    segments = Segments(60)
    ids = [
        begun.id
        for at_s, form in (
            (0.0, "small"),
            (1.0, "small"),
            (2.0, "large"),
            (3.0, "large"),
            (3.1 + GAP_S, "large"),
        )
        if (begun := segments.place(BEGUN_S + at_s, NOON, form=form, key=True))
    ]

    assert [len(list(each)) for _, each in groupby(ids)] == [2, 2, 1]


def test_a_frame_is_found_by_when_it_was_taken() -> None:
    segments = Segments(0.5)
    begun = [segments.place(at_s, NOON, form="a", key=True) for at_s in evenly(12, 10)]
    first, second = begun[0], begun[5]
    assert first
    assert second

    found = segments.find(BEGUN_S + 0.2)
    assert found
    assert (found.id, found.offset_ms) == (first.id, 200)
    found = segments.find(BEGUN_S + 0.5)
    assert found
    assert (found.id, found.offset_ms) == (second.id, 0)
    assert segments.find(BEGUN_S - 0.1) is None


def test_after_a_cut_nothing_is_in_the_video_until_a_frame_comes() -> None:
    segments = Segments(60)
    segments.place(BEGUN_S, NOON, form="a", key=True)
    segments.cut()
    segments.cut()

    assert segments.find(BEGUN_S)
    assert segments.find(BEGUN_S + 0.1) is None
    begun = segments.place(BEGUN_S + 0.2, NOON, form="a", key=True)
    found = segments.find(BEGUN_S + 0.2)
    assert begun
    assert found
    assert (found.id, found.offset_ms) == (begun.id, 0)
