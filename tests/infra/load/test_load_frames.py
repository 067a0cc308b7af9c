from collections import Counter
from collections.abc import Iterator

import pytest

from infra.load.frames import Answer, FrameLoad, FramePlan
from infra.load.tally import Run, figures
from sightline.errors import TransportError
from sightline.keys import is_frame_of
from sightline.messages import FrameCaptured, FrameRecognized, FrameRejected
from tests.infra.load.clock import BEGIN, FakeClock, Inline


class Cloud:
    """See `infra.load.frames.Way`: answers each frame after a while."""

    def __init__(self, clock: FakeClock, takes_s: float = 0.2) -> None:
        self.clock = clock
        self.takes_s = takes_s
        self.sent: list[tuple[str, FrameCaptured, bytes]] = []
        self._ready: list[Answer] = []
        self.silent_for: str | None = None
        self.rejects: str | None = None
        self.refuses: str | None = None

    def send(self, device: str, frame: FrameCaptured, jpeg: bytes) -> None:
        if device == self.refuses:
            raise TransportError("no PUBACK")
        self.sent.append((device, frame, jpeg))
        if device != self.silent_for:
            answer = self._answer(device, frame)
            self.clock.after(self.takes_s, lambda: self._ready.append(answer))

    def answers(self, seconds: float) -> Iterator[Answer]:
        self.clock.wait(seconds)
        while self._ready:
            yield self._ready.pop(0)

    def repeat_all(self) -> None:
        self._ready += [self._answer(device, frame) for device, frame, _ in self.sent]

    def _answer(self, device: str, frame: FrameCaptured) -> Answer:
        if device == self.rejects:
            return FrameRejected(
                frame_id=frame.frame_id,
                device=device,
                reason="not_an_image",
                detail="it is text",
                key=frame.key,
            )
        return FrameRecognized(
            frame_id=frame.frame_id,
            device=device,
            captured_at=BEGIN,
            recognized_at=BEGIN,
            width=1,
            height=1,
            faces=(),
            engine="dlib-resnet@1",
            gallery=1,
            repeat=False,
            timings_ms={},
        )


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cloud(clock: FakeClock) -> Cloud:
    return Cloud(clock)


def run(cloud: Cloud, **wish: float) -> Run:
    plan = FramePlan(run="r1", **{"devices": 4, "fps": 2, "seconds": 5, "timeout_s": 20, **wish})  # type: ignore[arg-type]
    pictures = (b"one", b"two", b"three")
    return FrameLoad(
        plan, cloud, pictures, clock=cloud.clock, senders=Inline(), now=cloud.clock.now
    ).run()


def test_each_device_sends_its_frames_and_each_is_answered(cloud: Cloud) -> None:
    of = figures(run(cloud))

    assert (of.sent, of.answered, of.failed) == (40, 40, 0)
    assert Counter(device for device, _, _ in cloud.sent) == {
        f"load-r1-{number:03}": 10 for number in (1, 2, 3, 4)
    }
    assert {jpeg for _, _, jpeg in cloud.sent} == {b"one", b"two", b"three"}


def test_frames_are_taken_at_the_rate_evenly_over_all_devices(cloud: Cloud) -> None:
    fates = run(cloud).fates

    assert [each.begun_s for each in fates] == pytest.approx([i / 8 for i in range(40)])


def test_a_frame_lies_where_its_device_may_put_it(cloud: Cloud) -> None:
    run(cloud)

    assert all(is_frame_of(device, frame.key) for device, frame, _ in cloud.sent)
    assert len({frame.frame_id for _, frame, _ in cloud.sent}) == 40


def test_latency_is_from_the_moment_a_frame_was_taken(cloud: Cloud) -> None:
    cloud.takes_s = 0.5

    of = figures(run(cloud))

    assert of.latency_p50_s == pytest.approx(0.5, abs=0.26)


def test_a_frame_that_nobody_answers_is_given_up(cloud: Cloud) -> None:
    cloud.silent_for = "load-r1-002"

    of = run(cloud)

    lost = [each for each in of.fates if each.failure]
    assert len(lost) == 10
    assert {each.failure for each in lost} == {"no result within 20 s"}


def test_a_rejected_frame_has_failed_with_the_reason(cloud: Cloud) -> None:
    cloud.rejects = "load-r1-001"

    lost = [each.failure for each in run(cloud).fates if each.failure]

    assert lost == ["rejected, not_an_image: it is text"] * 10


def test_a_frame_that_cannot_be_sent_has_failed(cloud: Cloud) -> None:
    cloud.refuses = "load-r1-003"

    lost = [each.failure for each in run(cloud).fates if each.failure]

    assert lost == ["not sent: no PUBACK"] * 10


def test_an_answer_that_comes_twice_counts_once(cloud: Cloud, clock: FakeClock) -> None:
    clock.after(4, cloud.repeat_all)

    of = figures(run(cloud))

    assert (of.answered, of.failed) == (40, 0)
    assert of.latency_max_s == pytest.approx(0.2, abs=0.26)


def test_ctrl_c_sums_up_what_there_is(cloud: Cloud, clock: FakeClock) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    clock.after(2.4, interrupt)

    of = run(cloud)

    assert 16 <= len(of.fates) <= 21
    assert {each.failure for each in of.fates} == {None, "stopped before it was answered"}
