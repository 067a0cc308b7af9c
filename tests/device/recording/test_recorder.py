"""The recorder, with the encoder that ships or one that is slow or fails as told."""

import errno
import functools
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from device.recording.pi_writer import PiWriter
from device.recording.planes import Planes
from device.recording.recorder import Recorder
from device.recording.ring import Ring
from device.recording.segments import GAP_S
from device.recording.writer import Unit
from tests.device.fakes import DEADLINE_S, until
from tests.device.recording.film import (
    BEGUN_S,
    filmed,
    frame,
    numbers,
    open_av,
    packets,
    play,
    recorder,
)


class Running:
    """A recorder in a thread of its own, and what it counts."""

    def __init__(
        self, folder: Path, opener: Any = open_av, *, ring: Ring | None = None, **options: Any
    ) -> None:
        self.ring = ring or Ring(folder, max_bytes=10**9)
        self.counts: Counter[str] = Counter()
        self.recorder: Recorder[Planes] = recorder(
            self.ring,
            opener,
            count=lambda event, times: self.counts.update({event: times}),
            **options,
        )
        self._thread = threading.Thread(target=self.recorder.run, daemon=True)
        self._thread.start()

    def offer(self, *units: Unit[Any]) -> None:
        for each in units:
            self.recorder.offer(each)

    def end(self, deadline_s: float = DEADLINE_S) -> None:
        self.recorder.close()
        self._thread.join(deadline_s)
        assert not self._thread.is_alive()


class Held:
    """An encoder that is at a frame until it is let on; notes what it was given."""

    def __init__(self) -> None:
        self.let_on = threading.Event()
        self.at_work = threading.Event()
        self.written: list[float] = []

    def __call__(self, path: Path, first: Unit[Any]) -> "Held":
        path.touch()
        return self

    def write(self, unit: Unit[Any]) -> None:
        self.at_work.set()
        assert self.let_on.wait(DEADLINE_S)
        self.written.append(unit.at_s)

    def close(self, until_s: float | None) -> None:
        pass

    def discard(self) -> None:
        pass


class Disk:
    """A disk that is full, or not: what opens files on it."""

    def __init__(self) -> None:
        self.full_after = -1  # frames; -1: it has room
        self.opened = 0

    def __call__(self, path: Path, first: Unit[Any]) -> Any:
        self.opened += 1
        if self.full_after == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        disk, writer = self, open_av(path, first)

        class Writer:
            def write(self, unit: Unit[Any]) -> None:
                if disk.full_after == 0:
                    raise OSError(errno.ENOSPC, "No space left on device")
                disk.full_after -= disk.full_after > 0
                writer.write(unit)

            def close(self, until_s: float | None) -> None:
                writer.close(until_s)

            def discard(self) -> None:
                writer.discard()

        return Writer()


def test_no_frame_is_lost_between_600_segments(tmp_path: Path) -> None:
    running = Running(tmp_path)  # with the queue that an agent has
    written = running.counts
    for number in range(3000):  # as from a camera: no faster than they are written in the long run
        until(functools.partial(lambda after: written["recorded"] >= after, number - 10))
        running.offer(frame(number))
    running.end(6 * DEADLINE_S)

    ids = running.ring.ids()
    assert len(ids) == 600
    assert numbers(running.ring) == list(range(3000))
    assert running.counts == {"recorded": 3000, "segments": 600, "unrecorded": 0}
    # And a segment lasts until the next begins.
    assert [float(at) for at, _ in play(running.ring.path(ids[7]))] == pytest.approx(
        [0, 0.1, 0.2, 0.3, 0.4], abs=1e-4
    )


def test_no_packet_of_the_pis_encoder_is_lost_between_segments(tmp_path: Path) -> None:
    running = Running(tmp_path, PiWriter)
    running.offer(*packets(300))
    running.end()

    assert len(running.ring.ids()) == 20
    assert numbers(running.ring) == list(range(300))


def test_a_frame_is_found_in_the_video_where_it_is(tmp_path: Path) -> None:
    running = Running(tmp_path)
    for number in range(20):
        running.offer(frame(number))
    where = [running.recorder.place(filmed(number).captured_s) for number in range(20)]
    running.end()

    for number, segment in enumerate(where):
        assert segment
        shown = {round(at * 1000): image for at, image in play(running.ring.path(segment.id))}
        assert segment.offset_ms in shown, number
    assert [segment.id for segment in where if segment] == [
        each for each in running.ring.ids() for _ in range(5)
    ]


def test_a_slow_encoder_never_holds_up_who_gives_it_frames(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    held = Held()
    running = Running(tmp_path, held, segment_s=60, queue_bytes=3 * frame(0).size)
    running.offer(frame(0))
    assert held.at_work.wait(DEADLINE_S)
    for number in range(1, 100):  # would wait for ever, if it waited for the encoder
        running.offer(frame(number))
    assert running.counts["unrecorded"] == 96  # three wait
    held.let_on.set()
    until(lambda: len(held.written) == 4)
    running.offer(frame(100))
    running.end()

    assert held.written == [filmed(number).captured_s for number in (0, 1, 2, 3, 100)]
    assert running.counts["recorded"] + running.counts["unrecorded"] == 101
    said = [each.message for each in caplog.records]
    assert said == [
        "encoder or disk do not keep up: frames are left out of the video",
        "96 frames were left out of the video",
    ]


def test_packets_are_left_out_up_to_the_next_key_frame(tmp_path: Path) -> None:
    held, given = Held(), list(packets(60))
    waiting = sum(each.size for each in given[1:4])
    running = Running(tmp_path, held, segment_s=60, queue_bytes=waiting)
    running.offer(given[0])
    assert held.at_work.wait(DEADLINE_S)
    running.offer(*given[1:20])
    held.let_on.set()
    until(lambda: len(held.written) == 4)
    running.offer(*given[20:30])  # they build upon what is missing
    running.offer(given[30])
    until(lambda: len(held.written) == 5)
    running.end()

    shown = [round((at_s - BEGUN_S) * 30) for at_s in held.written]
    assert shown == [0, 1, 2, 3, 30]
    assert running.counts["unrecorded"] == 26


def test_on_a_full_disk_recording_pauses_and_goes_on_by_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk, now = Disk(), [0.0]
    running = Running(tmp_path, disk, retry_s=10, clock=lambda: now[0])
    disk.full_after = 7
    running.offer(*(frame(number) for number in range(20)))
    until(lambda: running.counts["unrecorded"] == 15)  # all but the first segment
    said = running.recorder.trouble
    assert said
    assert "recording pauses" in said
    assert "No space left on device" in said
    assert running.recorder.place(filmed(19).captured_s) is None

    opened = disk.opened
    disk.full_after = -1
    running.offer(*(frame(number) for number in range(20, 25)))
    until(lambda: running.counts["unrecorded"] == 20)
    assert disk.opened == opened  # it is not tried at every segment
    now[0] = 11.0
    running.offer(*(frame(number) for number in range(25, 30)))
    until(lambda: running.recorder.trouble is None)
    running.end()

    assert numbers(running.ring) == [0, 1, 2, 3, 4, 25, 26, 27, 28, 29]
    assert running.counts["recorded"] == 10
    assert len([each for each in caplog.records if "recording pauses" in each.message]) == 1
    assert [path.suffix for path in tmp_path.iterdir() if path.suffix == ".part"] == []


class SlowRing(Ring):
    """On a card that takes long to sync."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, max_bytes=10**9)
        self.syncing, self.synced = threading.Event(), threading.Event()

    def finish(self, segment_id: str) -> None:
        self.syncing.set()
        assert self.synced.wait(DEADLINE_S)
        super().finish(segment_id)


def test_a_card_that_takes_long_to_sync_holds_up_no_frame_of_the_next_segment(
    tmp_path: Path,
) -> None:
    written: list[float] = []

    class Writer:
        def __init__(self, path: Path, first: Unit[Any]) -> None:
            self._writer = open_av(path, first)

        def write(self, unit: Unit[Any]) -> None:
            written.append(unit.at_s)
            self._writer.write(unit)

        def close(self, until_s: float | None) -> None:
            self._writer.close(until_s)

        def discard(self) -> None:
            self._writer.discard()

    ring = SlowRing(tmp_path)
    running = Running(tmp_path, Writer, ring=ring)
    running.offer(*(frame(number) for number in range(12)))
    assert ring.syncing.wait(DEADLINE_S)
    until(lambda: len(written) == 12)  # of three segments, though the first is not synced
    assert running.ring.ids() == ()
    ring.synced.set()
    running.end()

    assert numbers(running.ring) == list(range(12))


def test_a_segment_that_cannot_be_finished_is_lost_and_the_next_one_is_tried_later(
    tmp_path: Path,
) -> None:
    class Failing(Held):
        def close(self, until_s: float | None) -> None:
            raise OSError(errno.EIO, "Input/output error")

    held, now = Failing(), [0.0]
    held.let_on.set()
    running = Running(tmp_path, held, retry_s=10, clock=lambda: now[0])
    running.offer(*(frame(number) for number in range(7)))
    until(lambda: running.counts["unrecorded"] == 7)
    running.end()

    assert "Input/output error" in (running.recorder.trouble or "")
    assert running.counts["segments"] == 0
    assert [path.suffix for path in tmp_path.iterdir() if path.suffix == ".part"] == []


def test_a_segment_that_gets_no_more_frames_is_finished(tmp_path: Path) -> None:
    running = Running(tmp_path, segment_s=60, idle_s=0.05)
    running.offer(*(frame(number) for number in range(5)))
    until(lambda: len(running.ring.ids()) == 1)  # a camera that stalls without closing
    running.offer(*(frame(number) for number in range(5, 10)))
    running.end()

    assert numbers(running.ring) == list(range(10))
    assert len(running.ring.ids()) == 2


def test_a_gap_is_not_filled_by_the_frame_before_it(tmp_path: Path) -> None:
    running = Running(tmp_path, segment_s=300)
    late = round(10 * (GAP_S + 60))
    running.offer(frame(0), frame(1), frame(late), frame(late + 1))
    running.end()

    first, second = (play(running.ring.path(each)) for each in running.ring.ids())
    assert [float(at) for at, _ in first] == pytest.approx([0, 0.1], abs=1e-4)
    assert len(second) == 2


def test_it_ends_when_the_duration_is_over_and_the_last_segment_is_whole(tmp_path: Path) -> None:
    running = Running(tmp_path, duration_s=1.3)
    running.offer(*(frame(number) for number in range(30)))
    assert not running.recorder.wanted
    assert not running.recorder.each_frame
    until(lambda: len(running.ring.ids()) == 3)

    assert numbers(running.ring) == list(range(13))
    assert running.recorder.place(filmed(12).captured_s)
    assert running.recorder.place(filmed(20).captured_s) is None
    running.end()


def test_while_paused_nothing_is_recorded(tmp_path: Path) -> None:
    running = Running(tmp_path, segment_s=60)
    running.offer(frame(0), frame(1))
    running.recorder.pause(True)
    running.offer(frame(2), frame(3))
    until(lambda: len(running.ring.ids()) == 1)
    assert running.recorder.place(filmed(3).captured_s) is None
    running.recorder.pause(False)
    running.offer(frame(4), frame(5))
    running.end()

    assert numbers(running.ring) == [0, 1, 4, 5]
    assert len(running.ring.ids()) == 2


def test_it_is_switched_on_and_off_and_to_another_length_while_it_runs(tmp_path: Path) -> None:
    running = Running(tmp_path, on=False)
    assert not running.recorder.each_frame
    running.offer(frame(0))
    running.recorder.change(on=True, segment_s=0.5, duration_s=0)
    assert running.recorder.each_frame
    running.offer(*(frame(number) for number in range(1, 11)))
    running.recorder.change(on=None, segment_s=1.0, duration_s=0)
    running.offer(*(frame(number) for number in range(11, 31)))
    running.recorder.change(on=False, segment_s=1.0, duration_s=0)
    running.offer(frame(31))
    until(lambda: len(running.ring.ids()) == 4)
    running.end()

    lasts = [len(play(running.ring.path(each))) for each in running.ring.ids()]
    assert lasts == [5, 10, 10, 5]
    assert numbers(running.ring) == list(range(1, 31))


def test_another_size_of_frames_begins_another_segment(tmp_path: Path) -> None:
    from tests.device.fakes import image

    running = Running(tmp_path, segment_s=60)
    running.offer(frame(0), frame(1), frame(2, image=image(90, 64, 48)))
    running.end()

    shapes = [play(running.ring.path(each))[0][1].shape for each in running.ring.ids()]
    assert shapes == [(32, 128, 3), (48, 64, 3)]


def test_a_frame_that_its_packet_follows_is_waited_for(tmp_path: Path) -> None:
    given = list(packets(20))
    running = Running(tmp_path, PiWriter)
    running.offer(*given[:14])
    asked = threading.Event()
    found: list[Any] = []

    def ask() -> None:
        asked.set()
        found.append(running.recorder.place(given[15].at_s))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    assert asked.wait(DEADLINE_S)
    running.offer(*given[14:])
    thread.join(DEADLINE_S)
    running.end()

    assert found[0].id in running.ring.ids()


def test_a_frame_whose_packet_does_not_come_is_not_waited_for_for_long(tmp_path: Path) -> None:
    running = Running(tmp_path, PiWriter)
    running.offer(*packets(5))

    found = running.recorder.place(BEGUN_S + 1000)

    def ask() -> None:  # for longer than the deadline, were each waited for
        for number in range(1000):
            running.recorder.place(BEGUN_S + 1000 + number)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    running.end()
    assert found
    assert (found.id, found.offset_ms) == (running.ring.ids()[0], 1_000_000)
