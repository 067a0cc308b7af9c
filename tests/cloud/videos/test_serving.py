"""The stills of a chunk are answered side by side."""

import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import pytest

from cloud.intake import Reference
from cloud.videos.serving import Answerer
from sightline.errors import TransportError
from sightline.messages import FrameRecognized, FrameRejected
from tests.cloud.videos.world import World, film

DEADLINE_S = 20.0


@pytest.fixture
def pool() -> Iterator[Executor]:
    with ThreadPoolExecutor(3) as threads:
        yield threads


class Meeting:
    """Answers only when three stills are being answered at once."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer
        self._three = threading.Barrier(3, timeout=DEADLINE_S)
        self._one = threading.Lock()  # what is behind is for one thread

    def answer(
        self, reference: Reference, *, look_back: bool = True
    ) -> FrameRecognized | FrameRejected:
        self._three.wait()
        with self._one:
            return self._answerer.answer(reference, look_back=look_back)


class Failing:
    """Fails at the third still while two others are at work, until it is mended."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer
        self._begun = threading.Semaphore(0)
        self._failed = threading.Event()
        self._one = threading.Lock()
        self.at_work = 0
        self.is_mended = False

    def answer(
        self, reference: Reference, *, look_back: bool = True
    ) -> FrameRecognized | FrameRejected:
        number = int(reference.captured.key[-9:-4])
        if not self.is_mended and number == 3:
            assert all(self._begun.acquire(timeout=DEADLINE_S) for _ in range(2))
            self._failed.set()
            raise TransportError("S3 does not answer")
        with self._one:
            self.at_work += 1
        self._begun.release()
        assert self.is_mended or self._failed.wait(DEADLINE_S)
        with self._one:
            self.at_work -= 1
            return self._answerer.answer(reference, look_back=look_back)


def test_three_stills_are_answered_at_once(pool: Executor) -> None:
    world = World(around=Meeting, pool=pool)
    world.upload("a.mp4", film(["Ada"], ["broken"], ["Bob"], [], ["Ada"], ["?"]))

    world.run()

    report = world.report("a")
    assert report["frames"] == {"sampled": 6, "recognized": 5, "rejected": 1, "missing": 0}
    assert [each["key"] for each in report["sightings"]] == [
        f"a/0000{number}.jpg" for number in (1, 3, 4, 5, 6)
    ]
    assert world.text("a.txt") == "Ada\nBob\n"


def test_when_one_fails_nothing_goes_on_behind_the_functions_back(pool: Executor) -> None:
    made: list[Failing] = []

    def around(answerer: Answerer) -> Failing:
        made.append(Failing(answerer))
        return made[0]

    world = World(around=around, pool=pool)
    world.splitting.split(world.upload("a.mp4", film(*[["Ada"]] * 8)), lambda: 900.0)
    [chunk] = world.chunks.waiting

    with pytest.raises(TransportError, match="S3 does not answer"):
        world.serving.serve(chunk)

    assert made[0].at_work == 0
    assert world.recognition.looked_at < 7  # those that waited for their turn were called off
    made[0].is_mended = True
    world.serving.serve(chunk)
    assert world.report("a")["frames"]["recognized"] == 8
