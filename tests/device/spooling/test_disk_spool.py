"""What only a spool on disk has to bear: restarts, and other agents."""

import os
import shutil
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.spooling import jpeg_header
from device.spooling.disk_spool import DiskSpool
from device.spooling.folder import captured_at_of
from device.spooling.memory_spool import MemorySpool
from sightline.errors import ConfigError
from sightline.keys import new_frame_id
from sightline.messages import Segment
from tests.device.fakes import key_of, spooled
from tests.device.spooling.spools import BOUNDS, JPEG, Clock, Open, files, real, taken

SEGMENT = Segment(id="0193502b", offset_ms=1500)


def test_after_a_restart_each_frame_is_as_far_as_it_was(open_spool: Open, folder: Path) -> None:
    frames = [replace(real(second), gate={"motion": 0.5}, segment=SEGMENT) for second in range(4)]
    first = open_spool()
    for frame in frames:
        first.put(frame)
    for frame in frames[1:]:
        first.mark(frame.frame_id, "uploaded")
    for frame in frames[2:]:
        first.mark(frame.frame_id, "published")
    first.mark(frames[3].frame_id, "answered")

    second = open_spool()

    assert (second.depth(), second.answered()) == (3, (frames[3].frame_id,))
    published, uploaded, captured = (second.take(0) for _ in range(3))
    assert captured == replace(frames[0], resumed=True)
    assert uploaded == replace(frames[1], resumed=True, state="uploaded", jpeg=b"")
    assert published == replace(frames[2], resumed=True, state="published", attempts=1, jpeg=b"")
    assert files(folder) == {f"{frames[0].frame_id}.jpg"}


def test_by_which_clock_a_frame_was_taken_is_known_after_restarts(
    open_spool: Open, folder: Path
) -> None:
    spool = open_spool(boot="first")
    spool.put(replace(real(1), clock_set=False))
    spool.put(replace(real(2), clock_set=True))
    (folder / "frames" / f"{real(3).frame_id}.jpg").write_bytes(JPEG)  # without its row

    def known(boot: str) -> list[tuple[bool, bool]]:
        spool = open_spool(boot=boot)
        frames = [spool.take(0) for _ in range(3)]
        return [(frame.this_boot, frame.clock_set) for frame in frames if frame]

    # Where a frame without a row stands among the others tells nothing of when it was taken.
    assert known("first") == [(False, True), (True, True), (True, False)]
    assert known("first") == [(False, True), (True, True), (True, False)]
    assert known("second") == [(False, True), (False, True), (False, False)]
    assert known("second") == [(False, True), (False, True), (False, False)]


def test_what_is_put_after_a_restart_is_not_resumed_and_comes_first(open_spool: Open) -> None:
    open_spool().put(real(1))
    spool = open_spool()
    spool.put(real(2))

    assert [frame.resumed for frame in iter(lambda: spool.take(0), None)] == [False, True]


def test_a_machine_started_anew_goes_on_and_hours_without_power_do_not_count(
    open_spool: Open, clock: Clock
) -> None:
    clock.now_s = 5000.0
    spool = open_spool(boot="first")
    old, new = replace(real(1), captured_s=4100.0), replace(real(2), captured_s=5000.0)
    spool.put(new)
    spool.put(old)

    clock.now_s = 3.0  # the monotonic clock begins anew
    spool = open_spool(boot="second")
    newest = replace(real(3), captured_s=3.5)
    spool.put(newest)
    assert spool.sweep() == ()
    clock.now_s = 110.0  # 900 s before the power went, and 107 s since it came back

    assert spool.sweep() == (old.frame_id,)
    again = spool.take(0), spool.take(0)
    assert again[0] == newest
    assert again[1] is not None
    assert again[1].captured_s == pytest.approx(2.0)
    assert (again[0].this_boot, again[1].this_boot) == (True, False)
    assert (again[1].captured_at, again[1].resumed) == (new.captured_at, True)


def test_a_process_started_anew_on_the_same_machine_counts_on(
    open_spool: Open, clock: Clock
) -> None:
    frame = replace(real(1), captured_s=60.0)
    open_spool().put(frame)
    clock.now_s = 1050.0
    spool = open_spool()
    assert spool.sweep() == ()
    clock.now_s = 1061.0

    assert spool.sweep() == (frame.frame_id,)


def test_frames_captured_at_the_same_moment_are_both_kept(open_spool: Open) -> None:
    spool = open_spool()
    one, two = replace(real(1), captured_s=7.0), replace(real(1), captured_s=7.0)
    spool.put(one)
    spool.put(two)

    assert {*taken(spool)} == {one.frame_id, two.frame_id}


def test_two_agents_on_one_folder_are_refused_in_one_line(open_spool: Open, folder: Path) -> None:
    open_spool()

    with pytest.raises(ConfigError, match=f"process {os.getpid()}; stop it, or give") as caught:
        DiskSpool(folder, key_of, BOUNDS, MemorySpool())
    assert str(folder) in str(caught.value)


def test_frames_are_for_nobody_elses_eyes(open_spool: Open, folder: Path) -> None:
    open_spool().put(real(1))

    assert folder.stat().st_mode & 0o077 == 0
    assert all(each.stat().st_mode & 0o077 == 0 for each in (folder / "frames").iterdir())


def test_drops_are_counted_over_restarts(open_spool: Open) -> None:
    for _ in range(2):
        spool = open_spool(bounds=replace(BOUNDS, max_frames=2))
        for second in range(4):
            spool.put(real(second))

    assert (spool.dropped(), spool.dropped_before(), spool.depth()) == (6, 2, 2)


def test_a_result_that_came_when_its_frame_was_dropped_is_known_after_a_restart(
    open_spool: Open,
) -> None:
    bounds = replace(BOUNDS, max_frames=1)
    spool = open_spool(bounds=bounds)
    dropped, answered = real(1), real(2)
    spool.put(dropped)
    spool.put(answered)
    for frame in (dropped, answered, dropped, answered):  # each result is delivered twice
        spool.mark(frame.frame_id, "answered")

    spool = open_spool(bounds=bounds)

    assert spool.answered() == (dropped.frame_id, answered.frame_id)
    assert (spool.depth(), spool.dropped_before()) == (0, 1)


def test_files_without_rows_are_taken_up_unless_they_were_answered(
    open_spool: Open, folder: Path
) -> None:
    spool = open_spool()
    frame, answered = real(1), real(2)
    spool.put(answered)
    spool.mark(answered.frame_id, "answered")
    (folder / "frames" / f"{frame.frame_id}.jpg").write_bytes(JPEG)  # its row went with the power
    (folder / "frames" / f"{answered.frame_id}.jpg").write_bytes(JPEG)
    (folder / "frames" / f"{frame.frame_id}.tmp").write_bytes(JPEG[:100])
    (folder / "frames" / "holiday.jpg").write_bytes(JPEG)

    spool = open_spool()

    found = spool.take(0)
    assert found is not None
    assert (found.frame_id, found.key, found.jpeg) == (frame.frame_id, frame.key, JPEG)
    assert (found.width, found.height, found.size) == (64, 48, len(JPEG))
    assert (found.sha256, found.captured_at) == (frame.sha256, frame.captured_at)
    assert (found.resumed, found.state, spool.take(0)) == (True, "captured", None)
    assert files(folder) == {f"{frame.frame_id}.jpg", "holiday.jpg"}


@pytest.mark.parametrize("spoil", [b"", JPEG[:-1], bytes(len(JPEG)), None])
def test_a_frame_whose_file_is_damaged_or_gone_is_dropped_and_counted(
    spoil: bytes | None, open_spool: Open, folder: Path
) -> None:
    spool, good, bad = open_spool(), real(1), real(2)
    spool.put(good)
    spool.put(bad)
    path = folder / "frames" / f"{bad.frame_id}.jpg"
    path.unlink() if spoil is None else path.write_bytes(spoil)

    assert taken(spool) == [good.frame_id]
    assert (spool.sweep(), spool.dropped(), spool.depth()) == ((bad.frame_id,), 1, 1)


def test_rows_that_lost_their_files_are_counted_at_the_start(
    open_spool: Open, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = open_spool()
    for second in range(3):
        spool.put(real(second))
    spool.close()
    shutil.rmtree(folder / "frames")

    spool = open_spool()

    assert (len(spool.sweep()), spool.dropped(), spool.depth()) == (3, 3, 0)
    assert "3 frames have lost their files" in caplog.text


def test_after_its_end_it_forgets_but_does_not_fail(open_spool: Open) -> None:
    spool = open_spool()
    frame = real(1)
    spool.put(frame)
    spool.close()

    spool.put(real(2))
    spool.mark(frame.frame_id, "uploaded")
    spool.release(frame.frame_id)
    spool.rest(frame.frame_id, 0.0)
    spool.wake()

    assert (spool.sweep(), spool.trouble()) == ((), None)
    assert open_spool().depth() == 1


def test_an_id_tells_when_its_frame_was_taken() -> None:
    at = datetime(2026, 11, 21, 9, 30, 0, 512_000, tzinfo=UTC)

    assert captured_at_of(new_frame_id(at)) == at
    for other in ("holiday", "", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "{" + new_frame_id(at)):
        assert captured_at_of(other) is None
    assert captured_at_of("ffffffff-ffff-7fff-bfff-ffffffffffff") is None


def test_a_frame_costs_the_card_little_more_than_its_jpeg(open_spool: Open) -> None:
    def written() -> int:
        lines = Path("/proc/self/io").read_text().splitlines()
        return int(next(each.split()[1] for each in lines if each.startswith("write_bytes")))

    spool, frames = open_spool(), [real(second, JPEG + os.urandom(60_000)) for second in range(60)]
    before = written()
    for frame in frames:
        spool.put(frame)
        spool.take(0)
        for state in ("uploaded", "published", "answered"):
            spool.mark(frame.frame_id, state)  # type: ignore[arg-type]
    spool.close()

    assert written() - before <= 1.2 * sum(frame.size for frame in frames)


def test_each_thing_known_of_a_frame_has_its_place_in_the_index(open_spool: Open) -> None:
    frame = replace(
        real(1),
        encode_ms=1.5,
        attempts=1,
        gate={"motion": 0.041, "faces": 1},
        segment=SEGMENT,
        clock_set=False,
    )
    plain = spooled(1)
    open_spool().put(frame)

    back = open_spool().take(0)

    assert back == replace(frame, resumed=True)
    # A field that is added to a frame must be added to its row, and above.
    theirs = {each.name for each in fields(frame)} - {"state", "resumed", "this_boot"}
    same = {name for name in theirs if getattr(frame, name) == getattr(plain, name)}
    assert same == {"captured_at", "captured_s", "width", "height"}


@given(st.binary(max_size=64) | st.binary(max_size=64).map(lambda tail: b"\xff\xd8" + tail))
def test_the_head_of_a_damaged_jpeg_is_read_without_harm(data: bytes) -> None:
    found = jpeg_header.size(data)

    assert found is None or min(found) > 0


def test_the_size_is_found_behind_what_stands_before_it() -> None:
    exif = b"\xff\xe1\x00\x06abcd\xff\xff\xfe\x00\x03!"

    assert jpeg_header.size(JPEG) == (64, 48)
    assert jpeg_header.size(JPEG[:2] + exif + JPEG[2:]) == (64, 48)
    assert jpeg_header.size(JPEG[:30]) is None
