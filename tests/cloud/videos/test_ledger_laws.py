"""What holds of every ledger of videos, in the process or in DynamoDB."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cloud.videos.ledger import (
    ConflictError,
    Ledger,
    MarkedError,
    Marker,
    Rejection,
    SupersededError,
    begin,
    change,
)
from cloud.videos.memory import MemoryLedger
from cloud.videos.succession import TakenError
from cloud.videos.upload import Upload
from cloud.videos.video import FilmFacts, Lease, Video
from tests.cloud.fakes import NOON


@pytest.fixture(params=["memory", "dynamo"])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    if request.param == "memory":
        return MemoryLedger()
    table: Ledger = request.getfixturevalue("ledger_table")
    return table


def a_video(key: str = "a.mp4", *, later_s: float = 0, **changes: Any) -> Video:
    upload = Upload(
        key=key, bytes=10, etag="e1", uploaded_at=NOON + timedelta(seconds=later_s), sequencer="0A"
    )
    video = Video(
        name=upload.name,
        key=upload.key,
        job=upload.job,
        order=upload.order,
        etag=upload.etag,
        bytes=upload.bytes,
        uploaded_at=upload.uploaded_at,
        changed_at=NOON,
        expires_at=NOON + timedelta(days=30),
        settings={"sampling": "every:0.5", "max_stills": 20000},
    )
    return replace(video, **changes)


def a_marker(chunk: int = 1, **changes: Any) -> Marker:
    return replace(Marker(chunk=chunk, stills=10), **changes)


FILM = FilmFacts(codec="h264", width=720, height=1280, duration_s=1.5, rate=29.97)

FULL = a_video(
    "sub/ä b.mov",
    rank_above="2027~",
    film_before="2025",
    cleared=True,
    sha256="0" * 64,
    film=FILM,
    began_at=NOON - timedelta(microseconds=1),
    stills=25,
    chunks_sent=2,
    stills_sent=20,
    after_ms=9500,
    chunks=3,
    problems=("the tail is missing",),
    download_ms=1.5,
    split_ms=2.5,
    stills_done=10,
    chunks_done=1,
    chosen=7,
    lease=Lease(holder="h", until=NOON),
    outcome="incomplete",
    reason="gone",
    detail="it's gone \u202e",
    finished_at=NOON,
    reopened=True,
)


@pytest.mark.parametrize("video", [a_video(), FULL])
def test_what_is_written_is_found(ledger: Ledger, video: Video) -> None:
    ledger.write(video, expected=None)

    assert ledger.find(video.name) == video
    assert ledger.find("another") is None


def test_a_video_is_written_over_the_revision_that_was_read_alone(ledger: Ledger) -> None:
    video = a_video()
    ledger.write(video, expected=None)

    with pytest.raises(ConflictError):
        ledger.write(video, expected=None)
    with pytest.raises(ConflictError):
        ledger.write(replace(video, revision=3), expected=2)
    ledger.write(replace(video, revision=2, stills=5), expected=1)
    with pytest.raises(ConflictError):
        ledger.write(replace(video, revision=2), expected=1)

    found = ledger.find("a")
    assert found is not None
    assert (found.revision, found.stills) == (2, 5)


def test_nobody_writes_over_what_is_not_there(ledger: Ledger) -> None:
    with pytest.raises(ConflictError):
        ledger.write(a_video(revision=2), expected=1)


def test_a_chunk_is_marked_once_and_the_video_with_it(ledger: Ledger) -> None:
    video = a_video()
    ledger.write(video, expected=None)
    second = replace(video, revision=2, chunks_done=1)

    ledger.write(second, expected=1, marker=a_marker())
    with pytest.raises(MarkedError):
        ledger.write(replace(second, revision=3), expected=2, marker=a_marker())
    with pytest.raises(MarkedError):  # whatever else is wrong: nobody need try again
        ledger.write(replace(second, revision=9), expected=8, marker=a_marker())

    assert ledger.find("a") == second


def test_a_marker_that_comes_with_a_conflict_is_not_there(ledger: Ledger) -> None:
    video = a_video()
    ledger.write(video, expected=None)

    with pytest.raises(ConflictError):
        ledger.write(replace(video, revision=5), expected=4, marker=a_marker())

    assert list(ledger.markers(video)) == []
    assert ledger.find("a") == video


def test_markers_come_in_the_order_of_the_film_and_of_that_upload_alone(ledger: Ledger) -> None:
    video, other = a_video(), a_video(later_s=1)
    rejection = Rejection(number=3, offset_ms=1000, reason="not_an_image", detail="ä")
    ledger.write(video, expected=None)
    for revision, chunk in enumerate([12, 1, 2, 100], start=2):
        ledger.write(
            replace(video, revision=revision),
            expected=revision - 1,
            marker=a_marker(chunk, rejections=(rejection,)),
        )
    ledger.write(replace(other, revision=6), expected=5, marker=a_marker(3))

    assert [marker.chunk for marker in ledger.markers(video)] == [1, 2, 12, 100]
    assert list(ledger.markers(other)) == [a_marker(3)]
    assert next(ledger.markers(video)).rejections == (rejection,)


def test_open_videos_are_named_the_longest_without_change_first(ledger: Ledger) -> None:
    for number, key in enumerate(["b.mp4", "a.mp4", "c.mp4", "late.mp4"]):
        changed_at = NOON + timedelta(seconds=number, microseconds=number % 2)
        ledger.write(a_video(key, changed_at=changed_at), expected=None)
    ledger.write(a_video("done.mp4", outcome="done"), expected=None)
    ledger.write(a_video("again.mp4", outcome="incomplete", reopened=True), expected=None)

    named = list(ledger.unchanged_since(NOON + timedelta(seconds=2)))

    assert set(named[:2]) == {"b", "again"}
    assert named[2:] == ["a", "c"]


def test_a_finished_video_is_open_no_more(ledger: Ledger) -> None:
    video = a_video()
    ledger.write(video, expected=None)
    ledger.write(replace(video.finished("done", now=NOON), revision=2), expected=1)

    assert list(ledger.unchanged_since(NOON + timedelta(days=1))) == []


def test_who_was_served_last_is_the_last_done_or_else_any_that_is_open(ledger: Ledger) -> None:
    def at(second: float, key: str, **changes: Any) -> Video:
        video = a_video(key, changed_at=NOON + timedelta(seconds=second), **changes)
        ledger.write(video, expected=None)
        return video

    at(9, "waiting.mp4")
    at(8, "refused.mp4", outcome="refused")
    at(7, "incomplete.mp4", outcome="incomplete", chunks_done=1)
    assert ledger.last_served(NOON) is None

    begun = at(5, "begun.mp4", chunks_done=1)
    assert ledger.last_served(NOON) == begun
    assert ledger.last_served(NOON + timedelta(seconds=5)) == begun
    assert ledger.last_served(NOON + timedelta(seconds=5, microseconds=1)) is None

    at(2, "sooner.mp4", outcome="done", chunks_done=1)
    done = at(3.5, "done.mp4", outcome="done", chunks_done=1)
    assert ledger.last_served(NOON) == done
    assert ledger.last_served(NOON + timedelta(seconds=4)) == begun


# What is built on that.


def test_a_newer_upload_takes_the_row_over_and_an_older_one_does_not(ledger: Ledger) -> None:
    older, newer = a_video(), a_video(later_s=0.001)

    assert begin(ledger, older) == older
    assert begin(ledger, newer).job == newer.job
    with pytest.raises(SupersededError):
        begin(ledger, older)
    with pytest.raises(SupersededError):
        change(ledger, older, lambda video: replace(video, stills=1))


def test_another_files_upload_takes_the_row_once_it_is_a_film(ledger: Ledger) -> None:
    older, newer = a_video(film=FILM), a_video("a.mov", later_s=1)
    told: list[str] = []
    begin(ledger, a_video())
    change(ledger, older, lambda video: replace(video, film=FILM))

    with pytest.raises(TakenError):
        begin(ledger, newer)
    entered = begin(
        ledger, replace(newer, film=FILM), taking_from=lambda before: told.append(before.key)
    )

    assert ledger.find("a") == entered
    assert (entered.key, entered.rank, told) == ("a.mov", newer.order, ["a.mp4"])
    with pytest.raises(SupersededError):
        begin(ledger, older)


def test_a_film_takes_the_row_of_what_is_newer_and_none_and_ranks_above_it(ledger: Ledger) -> None:
    film, other = a_video(film=FILM), a_video("a.srt", later_s=1)
    begin(ledger, other)
    change(ledger, other, lambda video: video.refused("not_a_video", "", now=NOON))

    entered = begin(ledger, film)

    assert entered.rank > other.stamp
    assert (entered.outcome, entered.reason, entered.is_open) == (None, None, True)
    with pytest.raises(TakenError):
        begin(ledger, other)
    newer = begin(ledger, a_video("a.mov", later_s=2, film=FILM))
    assert (newer.rank, newer.rank > entered.stamp) == (newer.order, True)


def test_a_film_that_lost_the_name_to_a_newer_one_does_not_get_it_back(ledger: Ledger) -> None:
    first, second = a_video(film=FILM), a_video("a.mov", later_s=1, film=FILM)
    broken = a_video("a.mov", later_s=2)
    begin(ledger, first)
    begin(ledger, second)
    begin(ledger, broken)
    change(ledger, broken, lambda video: video.refused("not_a_video", "", now=NOON))

    with pytest.raises(SupersededError):
        begin(ledger, first)


def test_the_same_upload_again_finds_how_far_it_is(ledger: Ledger) -> None:
    begin(ledger, a_video())
    changed = change(ledger, a_video(), lambda video: replace(video, stills=7))

    assert begin(ledger, a_video()) == changed
    assert changed.revision == 2


def test_what_changes_nothing_is_not_written(ledger: Ledger) -> None:
    begin(ledger, a_video())

    assert change(ledger, a_video(), lambda video: video).revision == 1


def test_changes_at_the_same_moment_are_all_counted(ledger: Ledger) -> None:
    begin(ledger, a_video())

    def count(chunk: int) -> int:
        counted = change(
            ledger, a_video(), lambda v: v.marked(stills=10, now=NOON), marker=a_marker(chunk)
        )
        return counted.chunks_done

    with ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(count, range(1, 13)))

    assert sorted(seen) == list(range(1, 13))  # so one alone sees that it was the last
    video = ledger.find("a")
    assert video is not None
    assert (video.chunks_done, video.stills_done) == (12, 120)


def test_of_several_that_would_finish_one_does(ledger: Ledger) -> None:
    begin(ledger, a_video(chunks=0))

    def claim(holder: str) -> bool:
        claims: Callable[[Video], Video] = lambda v: v.claimed(holder, lease_s=60, now=NOON) or v  # noqa: E731
        return change(ledger, a_video(), claims).holds(holder)

    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(claim, "abcdefgh"))

    assert won.count(True) == 1
