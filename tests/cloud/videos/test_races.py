"""What happens between two functions that are at one video at the same moment, case by case."""

from collections.abc import Callable

import pytest

from sightline.errors import TransportError
from tests.cloud.videos.world import World, film


def once(world: World, moment: str, do: Callable[[], None], *, after: int = 0) -> None:
    """At the call *moment*, after so many of them, *do* something, in the middle of the others."""
    left = after

    def hook(what: str) -> None:
        nonlocal left
        if what != moment:
            return
        if left:
            left -= 1
            return
        world.hook = lambda _: None
        do()

    world.hook = hook


def die() -> None:
    raise TransportError("no answer")


def test_who_died_before_asking_for_more_candidates_asks_when_it_comes_again() -> None:
    world = World(sampling="first")
    world.upload("a.mp4", film(*[["!"]] * 12, ["Ada"]))
    world.split(world.events.pop())
    chunk = world.chunks.waiting[0]
    once(world, "before go_on", die)
    with pytest.raises(TransportError):
        world.run()

    world.serving.serve(chunk)
    world.run()

    assert world.text("a.txt") == "Ada\n"


def test_a_worker_may_be_faster_than_the_split_functions_note() -> None:
    world = World(sampling="first")
    world.upload("a.mp4", film(["Ada"], *[[]] * 20))
    once(world, "after send", lambda: world.serving.serve(world.chunks.waiting.popleft()))

    world.run()

    assert world.report("a")["status"] == "complete"
    assert world.report("a")["frames"]["sampled"] == 1
    assert sorted(world.stage.stored) == ["a.jpg", "a/00001.jpg"]


def test_two_that_split_the_same_upload_send_the_same_chunks() -> None:
    world = World()
    upload = world.upload("a.mp4", film(*[["Ada"]] * 45))

    def another() -> None:
        world.time_left_s = 10  # it sends a chunk, and hands over
        world.split(upload)
        world.go_on(world.splitters.waiting.popleft())
        world.time_left_s = 900

    once(world, "after send", another)
    world.split(world.events.pop())

    sent = {(c.chunk, tuple(f.frame_id for f in c.frames)) for c in world.chunks.waiting}
    assert len(sent) == 5
    world.run()
    assert world.report("a")["frames"]["recognized"] == 45


@pytest.mark.parametrize("moment", ["before put", "after put", "before write", "after remove"])
def test_the_sweeper_does_not_leave_a_refused_video_with_outputs(moment: str) -> None:
    world = World()
    world.upload("a.mp4", film())
    once(world, moment, lambda: world.sweep(1000), after=1 if "write" in moment else 0)

    world.run()
    world.sweep(1000)

    assert sorted(world.outputs.stored) == ["a.json"]
    assert world.report("a")["status"] == "refused"
    assert list(world.ledger.unchanged_since(world.now())) == []


@pytest.mark.parametrize("puts", [0, 1, 2])
def test_a_sweeper_that_dies_over_a_refused_video_leaves_no_outputs(puts: int) -> None:
    world = World()
    upload = world.upload("a.mp4", film())
    once(world, "before facts", die)
    with pytest.raises(TransportError):
        world.split(upload)

    def refused() -> None:
        world.split(upload)
        once(world, "after put", lambda: 1 / 0)  # type: ignore[arg-type,return-value]

    once(world, "before put", refused, after=puts)
    with pytest.raises(ZeroDivisionError):
        world.sweep(1000)
    world.hook = lambda _: None

    world.sweep(1000)

    assert sorted(world.outputs.stored) == ["a.json"]
    assert world.report("a")["status"] == "refused"


@pytest.mark.parametrize("puts", [0, 1, 2, 3])
@pytest.mark.parametrize("newer", [film(), film(["Bob"]), film(*[["Bob"]] * 12)])
def test_who_finishes_an_older_video_does_not_spoil_the_newer(puts: int, newer: bytes) -> None:
    world = World()
    world.upload("a.mp4", film(["Ada"], ["Ada"]))
    world.split(world.events.pop())

    def supersede() -> None:
        chunks = list(world.chunks.waiting)
        world.upload("a.mov", newer)
        world.run()
        assert chunks == []

    once(world, "before put", supersede, after=puts)
    world.run()

    assert world.report("a")["video"] == "a.mov"
    if newer == film():
        assert sorted(world.outputs.stored) == ["a.json"]
        assert world.stage.stored == {}
    else:
        assert world.text("a.txt") == "Bob\n"
        assert world.stage.get("a.jpg") == world.stage.get("a/00001.jpg")
        assert ("a/00002.jpg" in world.stage.stored) == (newer != film(["Bob"]))


@pytest.mark.parametrize("at", [0, 1, 2])
def test_who_splits_an_older_upload_does_not_spoil_the_newer(at: int) -> None:
    world = World()
    older = world.upload("a.mp4", film(*[["Ada"]] * 15))

    def supersede() -> None:
        world.upload("a.mov", film(["Bob"]))
        world.run()

    world.events.clear()
    once(world, "before put", supersede, after=at)
    world.split(older)
    world.run()

    assert world.text("a.txt") == "Bob\n"
    assert sorted(world.stage.stored) == ["a.jpg", "a/00001.jpg"]


def test_who_could_not_write_gives_the_lease_back() -> None:
    world = World()
    world.upload("a.mp4", film(["Ada"]))
    world.split(world.events.pop())
    chunk = world.chunks.waiting[0]
    once(world, "before put", die, after=2)
    with pytest.raises(TransportError):
        world.run()

    world.serving.serve(chunk)  # the queue gives it again, long before a lease would run out

    assert world.report("a")["status"] == "complete"
    assert "a.txt" in world.outputs.stored


@pytest.mark.parametrize("puts", [0, 1, 2, 3])
def test_the_last_chunk_that_comes_while_the_sweeper_writes_is_counted(puts: int) -> None:
    world = World()
    world.upload("a.mp4", film(*[["Ada"]] * 15))
    world.split(world.events.pop())
    late = world.chunks.waiting.pop()
    world.run()
    once(world, "before put", lambda: world.serving.serve(late), after=puts)

    world.sweep(1000)

    report = world.report("a")
    assert (report["status"], report["frames"]["recognized"]) == ("complete", 15)
    assert [outcome for _, outcome in world.finished] == ["done"]


def test_an_upload_that_comes_back_to_life_while_the_sweeper_writes_keeps_its_stills() -> None:
    world = World()
    upload = world.upload("a.mp4", film(*[["Ada"]] * 15))
    once(world, "before names", die)  # before anything of an older upload was cleared
    with pytest.raises(TransportError):
        world.split(world.events.pop())
    once(world, "before names", lambda: world.split(upload))

    world.sweep(1000)
    world.run()

    assert world.report("a")["frames"]["recognized"] == 15
    assert len(world.stage.stored) == 16
