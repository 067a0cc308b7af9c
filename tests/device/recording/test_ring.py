import os
import shutil
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from device.recording.ring import Ring
from sightline.errors import ConfigError
from sightline.keys import new_frame_id
from tests.conftest import PROJECT
from tests.device.fakes import NOON
from tests.device.recording.film import frame, number_in, numbers, open_av, play


def an_id(second: int) -> str:
    return new_frame_id(NOON.replace(second=second))


def finish(ring: Ring, second: int, size: int = 100) -> str:
    segment_id = an_id(second)
    ring.begin(segment_id).write_bytes(b"v" * size)
    ring.finish(segment_id)
    return segment_id


def test_segments_are_given_oldest_first_and_stay_until_they_are_removed(tmp_path: Path) -> None:
    ring = Ring(tmp_path, max_bytes=1000)
    first, second = finish(ring, 2), finish(ring, 1)  # the clock was set back meanwhile

    assert ring.take(0) == first
    assert ring.take(0) is None  # one at a time
    ring.release(first)
    assert ring.take(0) == first
    ring.remove(first)
    assert ring.take(0) == second
    assert not ring.path(first).exists()
    assert ring.path(second).read_bytes() == b"v" * 100


def test_the_oldest_go_for_newer_ones_and_are_counted(tmp_path: Path) -> None:
    dropped: list[int] = []
    ring = Ring(tmp_path, max_bytes=350, on_dropped=dropped.append)
    ids = [finish(ring, second) for second in range(6)]

    assert list(ring.ids()) == ids[3:]
    assert sum(dropped) == 3
    assert {each.stem for each in tmp_path.glob("*.mp4")} == set(ids[3:])


@pytest.mark.parametrize("restarted", [False, True])
def test_a_clock_that_was_a_month_ahead_and_is_set_back_changes_no_order(
    tmp_path: Path, restarted: bool
) -> None:
    now = [NOON]

    def opened() -> Ring:
        return Ring(tmp_path, max_bytes=350, now=lambda: now[0])

    def add(ring: Ring, day: int) -> str:
        now[0] = NOON + timedelta(days=day)
        segment_id = new_frame_id(now[0])
        ring.begin(segment_id).write_bytes(b"v" * 100)
        ring.finish(segment_id)
        return segment_id

    ring = opened()
    added = [add(ring, day) for day in (30, 30, 30, 0, 0)]
    assert list(ring.ids()) == added[2:]
    if restarted:
        ring.close()
        ring = opened()
        ring.open()
    assert list(ring.ids()) == added[2:]
    added += [add(ring, 1), add(ring, 1)]

    assert list(ring.ids()) == added[4:]  # the newest stay, and the oldest is uploaded first
    assert ring.take(0) == added[4]


def test_one_that_is_being_uploaded_is_not_removed_for_another(tmp_path: Path) -> None:
    ring = Ring(tmp_path, max_bytes=250)
    ids = [finish(ring, second) for second in range(2)]
    assert ring.take(0) == ids[0]
    ids.append(finish(ring, 3))

    assert list(ring.ids()) == [ids[0], ids[2]]


def test_the_disk_is_not_filled_for_the_others_on_it(tmp_path: Path) -> None:
    def free_bytes(folder: Path) -> int:
        return 1000 - sum(each.stat().st_size for each in folder.glob("*.mp4")) - others[0]

    others = [0]
    ring = Ring(tmp_path, max_bytes=10**9, keep_free_bytes=500, free_bytes=free_bytes)
    ids = [finish(ring, second) for second in range(8)]
    assert list(ring.ids()) == ids[3:]

    others[0] = 600  # somebody else fills it
    with pytest.raises(OSError, match="No space left"):
        ring.begin(an_id(9))
    assert ring.ids() == ()


def test_a_ring_goes_on_with_what_is_there(tmp_path: Path) -> None:
    before = Ring(tmp_path, max_bytes=1000)
    segment_id = finish(before, 1)
    before.close()
    (tmp_path / "holiday.mp4").write_text("somebody's")
    (tmp_path / "notes.part").write_text("somebody's")
    (tmp_path / f"{an_id(5)}.upload").write_text("{}")
    (tmp_path / f"{segment_id}.upload").write_text("{}")

    ring = Ring(tmp_path, max_bytes=1000)
    ring.open()

    assert ring.ids() == (segment_id,)
    assert {each.name for each in tmp_path.iterdir()} == {
        "lock",
        "holiday.mp4",
        "notes.part",
        f"{segment_id}.mp4",
        f"{segment_id}.upload",
    }
    ring.remove(segment_id)
    assert not (tmp_path / f"{segment_id}.upload").exists()


def test_two_agents_cannot_record_into_one_folder(tmp_path: Path) -> None:
    first = Ring(tmp_path, max_bytes=1000)
    first.open()
    with pytest.raises(ConfigError, match="another agent records there; stop it"):
        Ring(tmp_path, max_bytes=1000).open()
    first.close()
    Ring(tmp_path, max_bytes=1000).open()


def test_a_folder_that_somebody_removes_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "segments"
    ring = Ring(folder, max_bytes=1000)
    lost = finish(ring, 1)
    shutil.rmtree(folder)
    finish(ring, 2)

    assert ring.take(0) == lost
    ring.remove(lost)
    assert folder.stat().st_mode & 0o777 == 0o700


WRITES_FOR_EVER = """
import sys, itertools, threading
from pathlib import Path
from device.recording.ring import Ring
from tests.device.recording.film import frame, recorder
ring = Ring(Path(sys.argv[1]), max_bytes=10**9)
it = recorder(ring, segment_s=300, queue_bytes=10**9)
threading.Thread(target=it.run, daemon=True).start()
for number in range(200):
    it.offer(frame(number))
while it._queue: pass
print("written", flush=True)
threading.Event().wait()
"""


def test_of_a_segment_that_was_cut_off_by_kill_nine_what_can_be_read_is_kept(
    tmp_path: Path,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITES_FOR_EVER, str(tmp_path)],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        process.send_signal(signal.SIGKILL)
    assert [each.suffix for each in tmp_path.glob("*.*")] == [".part"]

    ring = Ring(tmp_path, max_bytes=10**9)
    ring.open()

    (segment_id,) = ring.ids()
    kept = numbers(ring)
    assert kept == list(range(len(kept)))
    assert len(kept) >= 160  # of 200: all but the last fragment
    shown = play(ring.path(segment_id))
    assert float(shown[-1][0]) == pytest.approx(0.1 * (len(kept) - 1), abs=1e-3)
    assert list(tmp_path.glob("*.part")) == []


def test_of_which_nothing_can_be_read_is_removed(tmp_path: Path) -> None:
    for second, content in enumerate((b"", b"\0" * 5000, b"no video")):
        (tmp_path / f"{an_id(second)}.part").write_bytes(content)
    ring = Ring(tmp_path, max_bytes=1000)
    ring.open()

    assert ring.ids() == ()
    assert [each.name for each in tmp_path.iterdir()] == ["lock"]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_file_that_is_cut_anywhere_stops_no_start(tmp_path: Path, share: float) -> None:
    first = frame(0)
    path = tmp_path / "whole.mp4"
    writer = open_av(path, first)
    for number in range(50):
        writer.write(frame(number))
    writer.close(None)
    data = path.read_bytes()
    (tmp_path / f"{an_id(1)}.part").write_bytes(data[: round(len(data) * share)])
    ring = Ring(tmp_path, max_bytes=10**9)
    ring.open()

    assert list(tmp_path.glob("*.part")) == []
    for each in ring.ids():
        assert [number_in(shown) for _, shown in play(ring.path(each))] == list(
            range(len(play(ring.path(each))))
        )
