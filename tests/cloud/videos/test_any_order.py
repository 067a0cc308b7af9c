"""A video is finished once, and rightly, in whatever order and however often things happen.

Functions die before or after any call, deliveries come twice and in any order, and one function
runs in the middle of another. What is delivered at last must be as if nothing had happened.
"""

import json
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.errors import TransportError
from tests.cloud.videos.world import World, film

MOMENTS = (1, 2, 3, 5, 8, 12, 20, 35, 60, 90)  # calls of one delivery before something happens

Shots = list[list[str]] | None  # who is in each still; None: it is no film
Video = tuple[str, Shots, str | None]  # key, shots, sampling


class DiedError(Exception):
    """A function was killed."""


class Chaos:
    """Delivers what waits, any of it, any number of times."""

    def __init__(self, world: World, random: Random, videos: list[Video]) -> None:
        self.world = world
        self.random = random
        self.to_upload = list(videos)
        self.deliveries: list[tuple[str, Any]] = []  # not yet delivered well
        self.depth = 0

    def step(self) -> None:
        """Do one thing, which may die, or have others happen in its middle."""
        self._gather()
        choices = (
            ["sweep"] + ["upload"] * bool(self.to_upload) + ["deliver"] * 6 * bool(self.deliveries)
        )
        choice = self.random.choice(choices)
        if choice == "upload":
            self.upload()
        elif choice == "sweep":
            later_s = self.random.choice([1, 301, 1000])
            self._disturbed(lambda: self.world.sweep(later_s))
        else:
            delivery = self.deliveries.pop(self.random.randrange(len(self.deliveries)))
            done = self._disturbed(lambda: self.deliver(delivery))
            if not done or self.random.random() < 0.3:
                self.deliveries.append(delivery)  # it comes again

    def upload(self) -> None:
        key, shots, sampling = self.to_upload.pop(0)
        data = b"no film" if shots is None else film(*shots)
        self.world.upload(key, data, sampling=sampling)

    def deliver(self, delivery: tuple[str, Any]) -> None:
        kind, what = delivery
        work: dict[str, Callable[[Any], None]]
        work = {"event": self.world.split, "go on": self.world.go_on}
        work.get(kind, self.world.serving.serve)(what)

    def settle(self) -> None:
        """From here on nothing goes wrong: all that waits is delivered, and the sweeper comes."""
        self.world.hook = lambda _: None
        self.world.time_left_s = 900
        while True:
            self._gather()
            if not self.deliveries:
                break
            self.deliver(self.deliveries.pop())
        for _ in range(3):
            self.world.sweep(1000)

    def _gather(self) -> None:
        world = self.world
        while world.events:
            self.deliveries.append(("event", world.events.pop()))
        while world.splitters.waiting:
            self.deliveries.append(("go on", world.splitters.waiting.popleft()))
        while world.chunks.waiting:
            self.deliveries.append(("chunk", world.chunks.waiting.popleft()))

    def _disturbed(self, work: Callable[[], None]) -> bool:
        """Do *work*; at one call it dies, or something else happens; tell if it was done."""
        left = self.random.choice(MOMENTS) if self.random.random() < 0.7 else 0
        dies = self.random.random() < 0.3 or self.depth >= 3
        outer = self.world.hook

        def hook(_: str) -> None:
            nonlocal left
            left -= 1
            if left:
                return
            if dies:
                raise self.random.choice([DiedError(), TransportError("no answer")])
            self.depth += 1
            mine, self.world.hook = self.world.hook, lambda _: None
            try:
                for _ in range(self.random.choice([1, 1, 2, 4, 8])):
                    self.step()
            finally:
                self.world.hook = mine
                self.depth -= 1

        self.world.time_left_s = self.random.choice([900.0, 900.0, 10.0])
        self.world.hook = hook
        try:
            work()
        except (DiedError, TransportError):
            return False
        finally:
            self.world.hook = outer
        return True


def some_videos(random: Random) -> list[Video]:
    """Make up to four uploads under one name."""
    people = [[], ["?"], ["!"], ["Ada"], ["Ada", "Bob"], ["Bob", "?"], ["broken"]]

    def some_shots() -> list[list[str]]:
        return [random.choice(people) for _ in range(random.choice([0, 1, 3, 10, 11, 24, 33]))]

    videos: list[Video] = []
    for _ in range(random.choice([1, 2, 2, 3, 4])):
        key = random.choice(["a.mp4", "a.mp4", "a.mov", "a.mov", "a.srt"])
        is_film = key != "a.srt" and random.random() < 0.8
        sampling = random.choice([None, None, "first"])
        videos.append((key, some_shots() if is_film else None, sampling))
    return videos


def expected_names(shots: list[list[str]]) -> str:
    seen = Counter[str]()
    first: dict[str, int] = {}
    for place, people in enumerate(shots):
        for name in people:
            if name in ("Ada", "Bob"):
                seen[name] += 1
                first.setdefault(name, place)
    names = sorted(seen, key=lambda name: (-seen[name], first[name], name))
    has_faces = any(people not in ([], ["broken"]) for people in shots)
    return "".join(f"{n}\n" for n in names) or ("unknown\n" if has_faces else "")


def heirs(videos: list[Video]) -> list[Video]:
    """Tell which of the uploads may have the name at last; most often one alone."""
    newest = {key: place for place, (key, _, _) in enumerate(videos)}
    films = [place for place, (_, shots, _) in enumerate(videos) if shots is not None]
    there = [place for place in films if newest[videos[place][0]] == place]
    film = max(there, default=-1)
    # What was a film may have had the name when it was replaced by what is none.
    replaced = {newest[videos[place][0]] for place in films if place > film}
    if film < 0:
        return [videos[place] for place in newest.values()]
    return [videos[place] for place in {film, *replaced}]


def check(world: World, videos: list[Video]) -> None:
    video = world.ledger.find("a")
    assert video is not None
    shots, sampling = next(heir[1:] for heir in heirs(videos) if heir[0] == video.key)
    check_asides(world, videos, video.key)
    outputs = sorted(set(world.outputs.stored) - {f"{key}.json" for key, _, _ in videos})
    if not shots:
        assert outputs == ["a.json"]
        reason = "not_a_video" if shots is None else "no_frames"
        assert (world.report("a")["job"], world.report("a")["reason"]) == (video.job, reason)
        assert world.stage.stored == {}
        return
    assert outputs == ["a.csv", "a.json", "a.txt"]
    report = json.loads(world.outputs.get("a.json"))
    assert (report["job"], report["status"], video.state) == (video.job, "complete", "done")
    judged = [n for n, people in enumerate(shots, 1) if set(people) & {"Ada", "Bob", "?"}]
    poster = judged[0] if judged else 1
    stills = range(1, len(shots) + 1)
    if sampling == "first":
        stills = range(poster, poster + 1)
        shots = [shots[poster - 1]]
    assert sorted(world.stage.stored) == ["a.jpg"] + [f"a/{n:05}.jpg" for n in stills]
    assert world.stage.get("a.jpg") == world.stage.get(f"a/{poster:05}.jpg")
    broken = shots.count(["broken"])
    assert report["frames"] == {
        "sampled": len(shots),
        "recognized": len(shots) - broken,
        "rejected": broken,
        "missing": 0,
    }
    assert world.text("a.txt") == expected_names(shots)
    rows = world.text("a.csv").splitlines()
    assert len(rows) == 1 + len(report["people"])


def check_asides(world: World, videos: list[Video], holder: str) -> None:
    """What is no film, and has not the name, is told so under its whole key."""
    for key, (_, shots, _) in {video[0]: video for video in videos}.items():
        if shots is None and key != holder:
            report = world.report(key)
            assert (report["video"], report["reason"]) == (key, "not_a_video")


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_at_last_all_is_as_if_nothing_had_happened(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - no secret; hypothesis itself would draw little chaos
    world, videos = World(), some_videos(random)
    chaos = Chaos(world, random, videos)
    for _ in range(random.choice([2, 5, 10, 25])):
        chaos.step()
    while chaos.to_upload:
        chaos.upload()
    chaos.settle()

    check(world, videos)
    assert all(times == 1 for (_, how), times in Counter(world.finished).items() if how == "done")
    assert list(world.ledger.unchanged_since(world.now())) == []
