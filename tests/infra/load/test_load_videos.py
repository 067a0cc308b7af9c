from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.load.tally import Fate, Run
from infra.load.videos import Standing, Stores, VideoLoad, VideoPlan
from infra.videos.buckets import Stored
from sightline.errors import TransportError
from tests.infra.load.clock import FakeClock, Inline
from tests.infra.videos.memory import MemoryBucket, MemoryStack


class Bench:
    """A stack that takes *takes_s* for each video, and a load on it."""

    def __init__(self, folder: Path, *names: str, takes_s: float = 2.0, **plan: Any) -> None:
        self.clock = FakeClock()
        self.stack = MemoryStack(now=self.clock.now)
        self.answer: Callable[[str], object] = self.stack.answer
        self.most_open = 0
        self.files = [folder / name for name in names]
        for number, path in enumerate(self.files):
            path.write_bytes(b"video %d" % number)
        self.plan = VideoPlan(run="r1", files=self.files, **{"rate": 5, "concurrency": 100, **plan})
        self.stack.input.stored = lambda key: self.clock.after(takes_s, lambda: self.answer(key))

    def run(self) -> Run:
        stores = Stores(input=self.stack.input, stage=self.stack.stage, output=self.stack.output)

        def show(standing: Standing) -> None:
            self.most_open = max(self.most_open, standing.open)

        return VideoLoad(self.plan, stores, clock=self.clock, uploads=Inline(), show=show).run()


def only(run: Run) -> Fate:
    [fate] = run.fates
    return fate


def test_each_video_goes_under_a_name_of_its_own_and_is_answered(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "a.mp4", "b ö.mov", repeat=2)

    run = bench.run()

    assert [each.name for each in run.fates] == [
        "load/r1/00001-a.mp4",
        "load/r1/00002-b ö.mov",
        "load/r1/00003-a.mp4",
        "load/r1/00004-b ö.mov",
    ]
    assert all(each.failure is None and each.stills == 2 for each in run.fates)


def test_uploads_keep_to_the_rate(tmp_path: Path) -> None:
    run = Bench(tmp_path, "a.mp4", rate=4, repeat=9).run()

    begun = [each.begun_s for each in run.fates]
    assert begun == pytest.approx([i / 4 for i in range(9)], abs=0.002)
    assert run.late_s < 0.002


def test_no_more_are_open_at_once_than_told_and_the_lateness_is(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "a.mp4", rate=100, concurrency=3, repeat=9, takes_s=2)

    run = bench.run()

    assert bench.most_open == 3
    assert [round(each.begun_s) for each in run.fates] == [0, 0, 0, 2, 2, 2, 4, 4, 4]
    assert 3.5 < run.late_s < 5


def test_latency_is_from_the_begin_of_the_upload_to_the_whole_result(tmp_path: Path) -> None:
    fate = only(Bench(tmp_path, "a.mp4", takes_s=2).run())

    assert fate.latency_s == pytest.approx(2, abs=0.26)


def test_a_video_that_is_refused_has_failed_with_the_reason(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "a.mp4")
    bench.answer = lambda key: bench.stack.answer(
        key, status="refused", reason="no_frames", detail="nothing can be decoded", frames=None
    )

    fate = only(bench.run())

    assert fate.answered_s is not None
    assert fate.failure is not None
    assert fate.failure.startswith("refused: no_frames: nothing can be decoded - ")


@pytest.mark.parametrize(("left_out", "said"), [(".jpg", ".jpg in stage-1"), (".csv", ".csv")])
def test_an_output_that_is_missing_is_a_failure(left_out: str, said: str, tmp_path: Path) -> None:
    bench = Bench(tmp_path, "a.mp4")
    bench.answer = lambda key: bench.stack.answer(key, leave_out=[left_out])

    assert only(bench.run()).failure == f"outputs missing: {said}"


def test_a_result_counts_when_its_last_output_is_there(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "a.mp4", takes_s=1)

    def answer(key: str) -> None:
        bench.stack.answer(key, leave_out=[".txt"])
        name = "load/r1/00001-a.txt"
        bench.clock.after(3, lambda: bench.stack.output.put_data(name, b""))

    bench.answer = answer

    fate = only(bench.run())

    assert fate.failure is None
    assert fate.latency_s == pytest.approx(4, abs=0.26)


def test_a_video_without_a_result_is_given_up(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "a.mp4", takes_s=1e6, timeout_s=30)

    fate = only(bench.run())

    assert (fate.answered_s, fate.failure) == (None, "no result within 30 s")


def test_names_are_held_against_those_expected(tmp_path: Path) -> None:
    expected = {"a.mp4": frozenset({"Ada", "Grace"}), "b.mp4": frozenset[str]()}
    bench = Bench(tmp_path, "a.mp4", "b.mp4", "c.mp4", expected=expected)
    names = {"a": ["Grace", "Eileen"], "b": [], "c": ["anybody"]}
    bench.answer = lambda key: bench.stack.answer(key, names=names[key[-5]])

    assert [each.failure for each in bench.run().fates] == [
        "other names: not seen: Ada; seen and not expected: Eileen",
        None,
        None,
    ]


def test_a_file_that_cannot_be_uploaded_fails_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "a.mp4", "b.mp4")
    bench.files[0].unlink()

    first, second = bench.run().fates

    assert first.failure is not None
    assert first.failure.startswith("not uploaded: ")
    assert second.failure is None


class Flaky(MemoryBucket):
    """A bucket that is out of reach for the first looks."""

    failures = 3

    def list(self, prefix: str) -> dict[str, Stored]:
        if self.failures:
            self.failures -= 1
            raise TransportError("no route")
        return dict(super().list(prefix))


def test_a_stack_out_of_reach_for_a_moment_is_asked_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "a.mp4")
    bench.stack.output = Flaky(now=bench.clock.now)

    assert only(bench.run()).failure is None


def test_ctrl_c_sums_up_what_there_is(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "a.mp4", repeat=4, rate=1, takes_s=1.5)

    def interrupt() -> None:
        raise KeyboardInterrupt

    bench.clock.after(2.9, interrupt)

    run = bench.run()

    assert [each.failure for each in run.fates] == [
        None,
        None,
        "stopped before it was answered",
    ]
