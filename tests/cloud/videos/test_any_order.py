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

Video = tuple[str, list[list[str]], str | None]  # key, who is in each still, sampling


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
        self.world.upload(key, film(*shots), sampling=sampling)

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
    """Make up to three uploads under one name."""
    people = [[], ["?"], ["!"], ["Ada"], ["Ada", "Bob"], ["Bob", "?"], ["broken"]]
    return [
        (
            random.choice(["a.mp4", "a.mov"]),
            [random.choice(people) for _ in range(random.choice([0, 1, 3, 10, 11, 24, 33]))],
            random.choice([None, None, "first"]),
        )
        for _ in range(random.choice([1, 2, 2, 3]))
    ]


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


def check(world: World, shots: list[list[str]], sampling: str | None) -> None:
    video = world.ledger.find("a")
    assert video is not None
    if not shots:
        assert sorted(world.outputs.stored) == ["a.json"]
        assert world.report("a")["reason"] == "no_frames"
        assert world.stage.stored == {}
        return
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

    check(world, *videos[-1][1:])
    assert all(times == 1 for (_, how), times in Counter(world.finished).items() if how == "done")
    assert list(world.ledger.unchanged_since(world.now())) == []
