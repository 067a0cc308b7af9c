"""A video from its upload to its outputs, when nothing goes wrong and when something does."""

import json
from datetime import timedelta

import pytest

from cloud.videos.video import Video
from tests.cloud.videos.world import NOON, World, film


def test_a_video_becomes_stills_a_poster_and_three_outputs() -> None:
    world = World()
    world.upload("a.mp4", film([], ["?"], ["Ada"], ["Ada", "Bob"], ["!"]))

    world.run()

    assert sorted(world.stage.stored) == ["a.jpg"] + [f"a/0000{n}.jpg" for n in range(1, 6)]
    assert world.stage.get("a.jpg") == world.stage.get("a/00002.jpg")
    assert sorted(world.outputs.stored) == ["a.csv", "a.json", "a.txt"]
    assert world.text("a.txt") == "Ada\nBob\n"
    assert world.text("a.csv").splitlines() == [
        "id,name,year,first_seen,last_seen,frames,best_frame,smallest_distance",
        "ada,Ada,1803,1.000,1.500,2,a/00004.jpg,0.47",
        "bob,Bob,1803,1.500,1.500,1,a/00004.jpg,0.47",
    ]
    types = {key: stored.content_type for key, stored in world.outputs.stored.items()}
    assert types["a.txt"].startswith("text/plain")
    assert types["a.csv"].startswith("text/csv")


def test_the_report_says_all() -> None:
    world = World()
    upload = world.upload("sub/a.mp4", film(["Ada"], ["broken"], ["?", "Ada"]))

    world.run()

    report = world.report("sub/a")
    assert (report["video"], report["name"], report["status"]) == ("sub/a.mp4", "sub/a", "complete")
    assert report["job"] == upload.job
    assert report["device"] == f"video-{upload.job}"
    assert report["frames"] == {"sampled": 3, "recognized": 2, "rejected": 1, "missing": 0}
    assert report["film"] == {
        "codec": "json",
        "width": 64,
        "height": 48,
        "duration_s": 1.5,
        "rate": 25.0,
    }
    assert (report["engine"], report["gallery"]) == ("fake@1", [7])
    assert (report["bytes"], len(report["sha256"])) == (upload.bytes, 64)
    assert report["settings"]["sampling"] == "every:0.5"
    assert len(report["settings_sha256"]) == 64
    assert report["timings_ms"]["recognize"] == 10.0
    assert report["timings_ms"]["whole"] > 0
    [person] = report["people"]
    assert person == {
        "id": "ada",
        "name": "Ada",
        "record": {"year": 1803},
        "first_seen_s": 0.0,
        "last_seen_s": 1.0,
        "frames": 2,
        "best_frame": "sub/a/00003.jpg",
        "smallest_distance": 0.48,
    }
    assert [s["key"] for s in report["sightings"]] == ["sub/a/00001.jpg", "sub/a/00003.jpg"]
    assert report["sightings"][1]["offset_s"] == 1.0
    assert report["sightings"][1]["faces"][0]["decision"] == "unknown"
    assert report["rejections"] == [
        {
            "key": "sub/a/00002.jpg",
            "offset_s": 0.5,
            "reason": "not_an_image",
            "detail": "it is broken",
        }
    ]


def test_times_of_sightings_end_at_the_upload_or_begin_with_the_films_own_clock() -> None:
    world = World()
    upload = world.upload("a.mp4", film([], []))
    world.upload("b.mp4", film([], created_at="2026-11-20T08:00:00+00:00"))
    world.upload("ahead.mp4", film([], created_at="2026-11-22T08:00:00+00:00"))

    world.run()

    first, _ = (s["captured_at"] for s in world.report("a")["sightings"])
    assert first == (upload.uploaded_at - timedelta(seconds=1)).isoformat(
        timespec="milliseconds"
    ).replace("+00:00", "Z")
    assert world.report("b")["sightings"][0]["captured_at"] == "2026-11-20T08:00:00.000Z"
    assert world.report("ahead")["sightings"][0]["captured_at"].startswith("2026-11-21")


@pytest.mark.parametrize(
    ("shots", "text"),
    [
        ([[], []], ""),
        ([["!"], []], "unknown\n"),
        ([["?"], ["?", "!"]], "unknown\n"),
        ([["?"], ["Ada"]], "Ada\n"),
        ([["Bob", "Ada"], ["Ada"]], "Ada\nBob\n"),
        ([["Bob"], ["Ada"]], "Bob\nAda\n"),  # of equals, who came first
        ([["broken"]], ""),
    ],
)
def test_the_list_of_names(shots: list[list[str]], text: str) -> None:
    world = World()
    world.upload("a.mp4", film(*shots))

    world.run()

    assert world.text("a.txt") == text


@pytest.mark.parametrize("count", [1, 9, 10, 11, 20, 35])
def test_films_of_any_length_are_answered_whole(count: int) -> None:
    world = World()
    world.upload("a.mp4", film(*[["Ada"]] * count))

    world.run()

    assert world.report("a")["people"][0]["frames"] == count
    video = world.ledger.find("a")
    assert video is not None
    assert (video.state, video.stills, video.stills_done) == ("done", count, count)
    assert video.chunks == video.chunks_done == -(-count // 10)


def test_whoever_waits_for_the_names_finds_the_rest() -> None:
    world, order = World(), list[list[str]]()

    def remember(what: str) -> None:
        if what == "after put":
            order.append(sorted(world.outputs.stored))

    world.hook = remember
    world.upload("a.mp4", film(["Ada"]))
    world.run()

    assert [keys for keys in order if keys][-3:] == [
        ["a.json"],
        ["a.csv", "a.json"],
        ["a.csv", "a.json", "a.txt"],
    ]


NAMES = [
    "a.b.mp4",
    "sub/ä b.mov",
    "deep/er/x.mp4",
    "a+b.mp4",
    "100%25.mp4",
    "=HYPERLINK(1).mp4",
    "\u202egpj.mp4",
    "no ending",
    "日本語.webm",
    "new\nline.mp4",
    ".mp4",
]


@pytest.mark.parametrize("key", NAMES)
def test_names_are_kept_exactly(key: str) -> None:
    world = World()
    world.upload(key, film(["Ada"]))
    name = key[: key.rindex(".")] if key.rfind(".") > 0 else key

    world.run()

    assert sorted(world.outputs.stored) == [f"{name}.csv", f"{name}.json", f"{name}.txt"]
    assert sorted(world.stage.stored) == sorted([f"{name}.jpg", f"{name}/00001.jpg"])
    assert world.report(name)["video"] == key


def test_a_video_in_a_folder_named_as_another_video_is_another() -> None:
    world = World()
    world.upload("x/y.mp4", film(["Ada"], ["Ada"]))
    world.run()
    world.upload("x.mp4", film(["Bob"]))

    world.run()
    world.upload("x.mp4", film(["Eve"], ["Eve"]))
    world.run()

    assert "x/y/00002.jpg" in world.stage.stored
    assert "x/y.jpg" in world.stage.stored
    assert world.text("x/y.txt") == "Ada\n"
    assert world.text("x.txt") == "Eve\n"


# What is no video.


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"some text", "not_a_video"),
        (film(), "no_frames"),
        (bytes(2000), "too_large"),
    ],
)
def test_what_is_no_video_is_refused_in_words(data: bytes, reason: str) -> None:
    world = World(max_bytes=1000)
    world.upload("a.mp4", data)

    world.run()

    assert sorted(world.outputs.stored) == ["a.json"]
    report = world.report("a")
    assert (report["status"], report["reason"]) == ("refused", reason)
    assert report["detail"]
    assert (report["sightings"], report["people"], report["film"] is None) == (
        [],
        [],
        reason != "no_frames",
    )
    video = world.ledger.find("a")
    assert video is not None
    assert (video.state, video.reason, video.is_open) == ("refused", reason, False)


def test_what_is_too_large_is_not_read() -> None:
    world = World(max_bytes=1000)
    world.upload("a.mp4", bytes(1001))

    world.run()

    assert world.uploads.fetched == 0


@pytest.mark.parametrize("after", ["before facts", "after facts"])
def test_what_was_deleted_before_it_was_read_is_gone(after: str) -> None:
    world = World()
    world.upload("a.mp4", film(["Ada"]))
    world.hook = lambda what: world.uploads.delete("a.mp4") if what == after else None

    world.run()

    assert world.report("a")["reason"] == "gone"


def test_a_key_too_long_for_stills_is_refused() -> None:
    world = World()
    world.upload("x" * 1017 + ".mp4", film(["Ada"]))
    world.upload("y" * 1024, film(["Ada"]))  # leaves no room for outputs either

    world.run()

    assert world.report("x" * 1017)["reason"] == "unsupported"
    video = world.ledger.find("y" * 1024)
    assert video is not None
    assert video.state == "refused"


def test_a_broken_tail_is_said_and_the_rest_is_used() -> None:
    world = World()
    world.upload("a.mp4", film(["Ada"], ["Ada"], breaks=True))

    world.run()

    report = world.report("a")
    assert report["status"] == "complete"
    assert report["frames"]["recognized"] == 2
    assert any("the last part is missing" in problem for problem in report["problems"])


def test_a_film_has_no_more_stills_than_the_limit() -> None:
    world = World(max_stills=20)
    world.upload("a.mp4", film(*[["Ada"]] * 30))

    world.run()

    report = world.report("a")
    assert report["frames"] == {"sampled": 20, "recognized": 20, "rejected": 0, "missing": 0}
    assert report["problems"] == ["only the first 20 stills were taken"]


def test_an_upload_may_say_its_own_sampling() -> None:
    world = World()
    world.upload("a.mp4", film(["?"], ["Ada"]), sampling="first")
    world.upload("b.mp4", film(["Ada"]), sampling="now and then")

    world.run()

    assert world.report("a")["settings"]["sampling"] == "first"
    assert world.report("b")["reason"] == "unsupported"
    assert "sightline-sampling" in world.report("b")["detail"]


# One usable still is enough.


@pytest.mark.parametrize("before", [0, 3, 9, 10, 25])
def test_the_first_usable_still_alone_is_kept(before: int) -> None:
    world = World(sampling="first")
    world.upload("a.mp4", film(*[["!"]] * before, ["Ada", "?"], *[["Bob"]] * 15))

    world.run()

    still = f"a/{before + 1:05}.jpg"
    assert sorted(world.stage.stored) == ["a.jpg", still]
    assert world.stage.get("a.jpg") == world.stage.get(still)
    assert world.text("a.txt") == "Ada\n"
    report = world.report("a")
    assert report["frames"] == {"sampled": 1, "recognized": 1, "rejected": 0, "missing": 0}
    assert [s["key"] for s in report["sightings"]] == [still]
    assert world.recognition.looked_at == before + 1  # and no more


@pytest.mark.parametrize("count", [1, 10, 14, 20])
def test_without_a_usable_still_it_is_the_first(count: int) -> None:
    world = World(sampling="first")
    world.upload("a.mp4", film(*[["!"]] * count))

    world.run()

    assert sorted(world.stage.stored) == ["a.jpg", "a/00001.jpg"]
    assert world.text("a.txt") == "unknown\n"
    assert world.report("a")["status"] == "complete"


# Again, and anew.


def test_the_same_event_twice_does_no_harm() -> None:
    world = World()
    upload = world.upload("a.mp4", film(*[["Ada"]] * 25))
    world.run()
    before = dict(world.outputs.stored)

    world.events.append(upload)
    world.run()

    assert world.outputs.stored == before
    assert world.recognition.looked_at == 25


def test_a_shorter_video_leaves_nothing_of_the_longer_one() -> None:
    world = World()
    world.upload("a.mp4", film(*[["Ada"]] * 25))
    world.run()
    world.upload("a.mov", film(["Bob"]))

    world.run()

    assert sorted(world.stage.stored) == ["a.jpg", "a/00001.jpg"]
    assert world.text("a.txt") == "Bob\n"
    assert world.report("a")["video"] == "a.mov"


def test_a_refused_upload_leaves_nothing_of_the_video_before() -> None:
    world = World()
    world.upload("a.mp4", film(*[["Ada"]] * 25))
    world.run()
    world.upload("a.mp4", b"no film")

    world.run()

    assert sorted(world.outputs.stored) == ["a.json"]
    assert world.stage.stored == {}


@pytest.mark.parametrize("is_done", [True, False])
@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"1\n00:00 --> 00:01\nHi", "not_a_video"), (b"", "empty"), (bytes(3001), "too_large")],
)
def test_what_is_no_film_leaves_another_files_video_under_its_name_alone(
    data: bytes, reason: str, is_done: bool
) -> None:
    world = World(max_bytes=3000)
    mine = world.upload("sub/a.mp4", film(*[["Ada"]] * 25))
    if is_done:
        world.run()
    else:
        world.split(world.events.pop())
    row, stored = world.ledger.find("sub/a"), dict(world.outputs.stored)
    world.upload("sub/a.srt", data)

    world.split(world.events.pop())

    assert world.ledger.find("sub/a") == row
    aside = world.report("sub/a.srt")
    assert (aside["video"], aside["status"], aside["reason"]) == ("sub/a.srt", "refused", reason)
    del world.outputs.stored["sub/a.srt.json"]
    assert world.outputs.stored == stored
    world.run()
    assert world.report("sub/a")["job"] == mine.job
    assert world.report("sub/a")["frames"]["recognized"] == 25


@pytest.mark.parametrize("reverse", [False, True])
def test_a_film_and_what_lies_beside_it_end_the_same_whichever_comes_first(reverse: bool) -> None:
    world = World()
    for key in ("a.jpg", "a.mp4", "a.srt"):
        world.upload(key, film(["Ada"]) if key == "a.mp4" else b"no film")
    if reverse:
        world.events.reverse()

    world.run()

    assert world.text("a.txt") == "Ada\n"
    assert world.report("a")["video"] == "a.mp4"
    assert sorted(world.outputs.stored) == ["a.csv", "a.jpg.json", "a.json", "a.srt.json", "a.txt"]
    assert [how for _, how in world.finished].count("done") == 1


def test_what_was_written_aside_goes_when_that_file_is_a_film_after_all() -> None:
    world = World()
    for key, data in [("a.mp4", film(["Ada"])), ("a.mov", b"cut off"), ("a.mov", film(["Bob"]))]:
        world.upload(key, data)
        world.run()

    assert sorted(world.outputs.stored) == ["a.csv", "a.json", "a.txt"]
    assert world.text("a.txt") == "Bob\n"


def test_what_is_written_aside_takes_no_other_videos_place() -> None:
    world = World()
    for key in ("a", "a.srt.mp4", "a.mp4"):
        world.upload(key, film(["Ada"]))
        world.run()
    before = dict(world.outputs.stored)

    for key in ("a.srt", "a"):
        world.upload(key, b"no film")
        world.run()

    assert world.outputs.stored == before


def test_outputs_of_the_video_before_are_gone_before_the_new_one_is_read() -> None:
    world = World()
    world.upload("a.mp4", film(["Ada"]))
    world.run()
    world.upload("a.mp4", film(["Bob"]))

    world.split(world.events.pop())

    assert world.outputs.stored == {}
    assert sorted(world.stage.stored) == ["a/00001.jpg"]


def test_an_older_event_that_comes_late_is_dropped() -> None:
    world = World()
    older = world.upload("a.mp4", film(["Ada"]))
    world.upload("a.mov", film(["Bob"]))
    world.events.remove(older)
    world.run()

    world.split(older)

    assert world.text("a.txt") == "Bob\n"
    assert not world.chunks.waiting


def test_of_two_uploads_in_a_second_the_later_counts() -> None:
    world = World()
    first = world.upload("a.mp4", film(["Ada"]))
    world.upload("a.mp4", film(["Bob"]))  # the first is not there any more

    world.run()

    assert world.report("a")["job"] != first.job
    assert world.text("a.txt") == "Bob\n"


# Long films, and what stalls.


def test_near_the_time_limit_it_goes_on_in_another_call() -> None:
    world = World()
    world.time_left_s = 59
    world.upload("a.mp4", film(*[["Ada"]] * 45))

    world.run()

    assert world.report("a")["frames"]["recognized"] == 45
    assert world.uploads.fetched == 5  # ten stills a call, and the rest
    keys = [s["key"] for s in world.report("a")["sightings"]]
    assert keys == [f"a/{n:05}.jpg" for n in range(1, 46)]


def test_a_video_that_stalls_is_finished_with_what_there_is() -> None:
    world = World()
    world.upload("a.mp4", film(*[["Ada"]] * 25))
    world.split(world.events.pop())
    lost = world.chunks.waiting.pop()
    world.run()

    world.sweep(600)
    assert world.outputs.stored == {}
    world.sweep(400)

    report = world.report("a")
    assert report["status"] == "incomplete"
    assert report["frames"] == {"sampled": 25, "recognized": 20, "rejected": 0, "missing": 5}
    assert world.text("a.txt") == "Ada\n"
    video = world.ledger.find("a")
    assert video is not None
    assert (video.state, video.is_open) == ("incomplete", False)

    world.serving.serve(lost)  # after all

    assert world.report("a")["status"] == "complete"
    assert world.report("a")["frames"]["recognized"] == 25
    assert [outcome for _, outcome in world.finished] == ["incomplete", "done"]


def test_a_video_that_waits_behind_another_has_not_stalled() -> None:
    world = World()
    world.upload("long.mp4", film(*[["Ada"]] * 50))
    world.upload("a.mp4", film(["Bob"]))
    for _ in range(2):
        world.split(world.events.pop(0))

    for _ in range(5):
        world.serving.serve(world.chunks.waiting.popleft())
        world.sweep(600)
    assert world.report("long")["status"] == "complete"
    assert "a.json" not in world.outputs.stored  # after 50 minutes
    world.run()

    assert world.report("a")["status"] == "complete"
    assert [how for _, how in world.finished] == ["done", "done"]


def test_a_video_that_waits_behind_many_short_ones_has_not_stalled() -> None:
    world = World()
    names = [f"{number}" for number in range(8)]
    for name in names:
        world.upload(f"{name}.mp4", film(["Ada"]))
    while world.events:
        world.split(world.events.pop(0))

    while world.chunks.waiting:
        world.serving.serve(world.chunks.waiting.popleft())
        world.sweep(600)

    assert {world.report(name)["status"] for name in names} == {"complete"}


def test_a_lost_chunk_is_noticed_when_later_videos_are_done() -> None:
    world = World()
    world.upload("a.mp4", film(*[["Ada"]] * 15))
    world.split(world.events.pop())
    world.chunks.waiting.clear()

    noticed = []
    for number in range(3):  # uploaded at once, ten minutes and twenty minutes after it
        world.upload(f"{number}.mp4", film(["Bob"]))
        world.run()
        world.sweep(600)
        noticed.append("a.json" in world.outputs.stored)

    assert noticed == [False, False, True]
    assert world.report("a")["status"] == "incomplete"


def test_a_video_waits_behind_others_for_six_hours_at_most() -> None:
    world = World()
    world.upload("long.mp4", film(*[["Ada"]] * 400))
    world.upload("a.mp4", film(["Bob"]))
    for _ in range(2):
        world.split(world.events.pop(0))
    world.chunks.waiting.pop()

    hours = 0.0
    while "a.json" not in world.outputs.stored:
        world.serving.serve(world.chunks.waiting.popleft())
        world.sweep(600)
        hours += 1 / 6

    assert hours == pytest.approx(6)
    assert world.report("a")["status"] == "incomplete"


def test_who_splits_beside_it_does_not_keep_a_video_whose_recognition_died() -> None:
    world = World()
    world.upload("a.mp4", film(["Ada"]))
    world.split(world.events.pop())
    world.clock.at += timedelta(seconds=890)
    world.upload("b.mp4", film(["Bob"]))
    world.split(world.events.pop())

    world.sweep(20)

    assert world.report("a")["status"] == "incomplete"
    assert "b.json" not in world.outputs.stored


def test_a_video_whose_splitting_died_is_finished_with_what_there_is() -> None:
    world = World()
    world.upload("a.mp4", film(["Ada"]))
    world.run()
    upload = world.upload("a.mp4", film(["Bob"]))
    world.hook = _die_at("before facts")
    with pytest.raises(ZeroDivisionError):
        world.split(upload)
    world.hook = lambda _: None

    world.sweep(1000)

    assert world.report("a")["status"] == "incomplete"
    assert world.text("a.txt") == ""
    assert world.stage.stored == {}


def test_a_stalled_video_that_was_split_after_all_is_complete() -> None:
    world = World()
    upload = world.upload("a.mp4", film(["Bob"]))
    world.hook = _die_at("before facts")
    with pytest.raises(ZeroDivisionError):
        world.split(upload)
    world.hook = lambda _: None
    world.sweep(1000)

    world.run()

    assert world.report("a")["status"] == "complete"
    assert world.text("a.txt") == "Bob\n"


@pytest.mark.parametrize("at", ["before put", "after put"])
def test_another_takes_over_from_one_who_died_writing(at: str) -> None:
    world = World()
    world.upload("a.mp4", film(["Ada"]))
    world.split(world.events.pop())
    world.hook = _die_at(at)
    with pytest.raises(ZeroDivisionError):
        world.run()
    world.hook = lambda _: None

    world.sweep(10)
    assert "a.txt" not in world.outputs.stored
    world.sweep(400)

    assert world.report("a")["status"] == "complete"
    assert [outcome for _, outcome in world.finished] == ["done"]


def test_while_one_writes_another_does_not() -> None:
    world = World()
    world.upload("a.mp4", film(["Ada"]))
    world.split(world.events.pop())
    chunk = world.chunks.waiting[0]
    puts: list[str] = []

    def meanwhile(what: str) -> None:
        if what == "before put":
            puts.append(what)
            world.hook = lambda what: puts.append(what) if what == "before put" else None
            world.serving.serve(chunk)
            assert puts == ["before put"]
            world.sweep(1)

    world.hook = meanwhile
    world.run()

    assert len(puts) == 4  # the poster, and three outputs


def test_a_finished_video_has_no_row_among_the_open_ones() -> None:
    world = World()
    world.upload("a.mp4", film(["Ada"]))
    world.run()

    assert list(world.ledger.unchanged_since(NOON + timedelta(days=9))) == []


def test_nothing_of_a_face_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    world = World()
    world.upload("a.mp4", film(["Ada"], ["?"]))
    world.run()

    assert "a" in caplog.text
    assert not any(said in caplog.text for said in ("Ada", "distance", "1803", "who"))


@pytest.mark.parametrize(("again", "finds"), [(False, 0), (True, 10)])
def test_a_still_costs_one_request_and_one_more_if_it_was_given_before(
    again: bool, finds: int
) -> None:
    world = World()
    world.upload("a.mp4", film(*[["Ada"]] * 20))
    world.split(world.events.pop())
    calls: list[str] = []
    world.hook = lambda what: calls.append(what) if what.startswith("before") else None

    world.serving.serve(world.chunks.waiting.popleft(), again=again)

    assert sorted(set(calls)) == ["before find", "before get", "before keep_all", "before write"]
    assert (calls.count("before get"), calls.count("before keep_all")) == (10, 1)
    assert calls.count("before find") == finds + 2  # is it still wanted; and how far is it
    assert calls.count("before write") == 1


def test_what_the_ledger_keeps_of_a_long_film_is_small() -> None:
    world = World()
    world.upload("a.mp4", film(*[["Ada"]] * 400))
    world.run()
    video = world.ledger.find("a")

    assert isinstance(video, Video)
    assert len(json.dumps(world.report("a")["settings"])) < 200
    assert len(repr(video)) < 1500


def _die_at(what: str):  # type: ignore[no-untyped-def]
    def die(now: str) -> None:
        if now == what:
            raise ZeroDivisionError

    return die
