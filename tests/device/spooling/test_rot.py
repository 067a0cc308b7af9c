"""What a card at its end does to the index: bits that are not what they were."""

import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from device.spooling.disk_spool import DiskSpool
from device.spooling.memory_spool import MemorySpool
from device.spooling.remains import Remains, remains_of
from device.uplink import reference
from sightline.messages import Segment, encode
from tests.device.fakes import key_of
from tests.device.spooling.spools import BOUNDS, Open, real, taken

SEED, FLIPPED = 2026, 160
SEGMENT = Segment(id="0193502b", offset_ms=1500)


def _set_aside(folder: Path) -> list[Path]:
    return [each for each in folder.iterdir() if "broken" in each.name]


def _published(spool: DiskSpool) -> str:
    frame = spool.take(0)
    assert frame is not None
    spool.mark(frame.frame_id, "uploaded")
    spool.mark(frame.frame_id, "published")
    return frame.frame_id


def _left_behind(folder: Path) -> tuple[set[str], int]:
    """Leave a spool with frames in three states; their ids, and how many more it dropped."""
    bounds = replace(BOUNDS, max_frames=16)
    with DiskSpool(folder, key_of, bounds, MemorySpool(), boot="boot", clock=lambda: 60.0) as spool:
        frames = [
            replace(real(second), gate={"motion": 0.5, "faces": 1}, segment=SEGMENT)
            for second in range(20)
        ]
        dropped = [each for frame in frames for each in spool.put(frame)]
        answered = _published(spool)
        spool.mark(answered, "answered")
        _published(spool)
    return {each.frame_id for each in frames} - {*dropped, answered}, len(dropped)


def test_whatever_bits_of_the_index_flip_it_goes_on_and_no_frame_is_lost_uncounted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    promised, _ = _left_behind(tmp_path / "sound")
    sound = (tmp_path / "sound" / "spool.db").read_bytes()
    dice, set_aside = random.Random(SEED), 0  # noqa: S311
    for turn in range(FLIPPED):
        folder = tmp_path / "rotten"
        shutil.copytree(tmp_path / "sound", folder)
        data = bytearray(sound)
        for _ in range(dice.choice((1, 1, 2, 8))):
            data[dice.randrange(len(data) if turn % 2 else 100)] ^= 1 << dice.randrange(8)
        (folder / "spool.db").write_bytes(data)
        caplog.clear()

        with DiskSpool(
            folder, key_of, BOUNDS, MemorySpool(), boot="boot", clock=lambda: 61.0
        ) as spool:
            frames = list(iter(lambda: spool.take(0), None))
            given, counted = {frame.frame_id for frame in frames}, len(spool.sweep())
            for frame in frames:
                assert encode(reference(frame))
                spool.mark(frame.frame_id, "answered")
            counted += len(spool.put(real(59))) + len(spool.sweep())
            trouble, before = spool.trouble(), spool.dropped_before()

        assert trouble is None, turn
        unread = "at least" in caplog.text
        assert len(promised - given) <= counted + unread, turn
        assert before >= 0, turn
        set_aside += bool(_set_aside(folder))
        shutil.rmtree(folder)
    assert 0 < set_aside < FLIPPED


def _flip(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def flip(data: bytes) -> bytes:
        assert data.count(old)
        return data.replace(old, new)

    return flip


@pytest.mark.parametrize(
    "rot",
    [
        pytest.param(_flip(b'"motion"', b'#motion"'), id="no JSON"),
        pytest.param(_flip(b'"motion": 0.5', b'"motion": 8.5'), id="no share of a picture"),
        pytest.param(_flip(b'"offset_ms"', b'"offset_mS"'), id="no place in a video"),
        pytest.param(_flip(b"frames/front", b"\xe6rames/front"), id="no text"),
        pytest.param(_flip(b"frames/front", b"\x06rames/front"), id="not printable"),
        pytest.param(_flip(b"encode_ms REAL", b"encode_mS REAL"), id="no harm"),
        pytest.param(_flip(b"attempts INTEGER", b"auuempts INTEGER"), id="no such column"),
        pytest.param(_flip(b"CREATE TABLE frames", b"CREATE TABLE f\xf2ames"), id="no name"),
        pytest.param(_flip(b"SQLite format 3", b"SQLite forman 3"), id="no database"),
        pytest.param(lambda data: data[:18] + b"\x03" + data[19:], id="says it is read-only"),
    ],
)
def test_rot_that_shows_at_the_start_costs_no_frame_that_has_its_file(
    rot: Callable[[bytes], bytes], open_spool: Open, folder: Path
) -> None:
    spool = open_spool()
    frames = [replace(real(n), gate={"motion": 0.5}, segment=SEGMENT) for n in range(5)]
    for frame in frames:
        spool.put(frame)
    spool.close()
    index = folder / "spool.db"
    index.write_bytes(rot(index.read_bytes()))

    spool = open_spool()

    assert spool.trouble() is None
    given = [reference(frame) for frame in iter(lambda: spool.take(0), None)]
    assert [each.frame_id for each in given] == [frame.frame_id for frame in reversed(frames)]
    assert (spool.sweep(), spool.dropped()) == ((), 0)


def test_rot_that_shows_while_it_is_used_costs_no_frame_that_has_its_file(
    open_spool: Open, folder: Path
) -> None:
    spool = open_spool()
    wordy = {"motion": 0.5, "x" * 3000: 0.0}  # in all, more than is kept in memory
    frames = [replace(real(n % 60), captured_s=n / 10, gate=wordy) for n in range(200)]
    for frame in frames:
        spool.put(frame)
    spool = open_spool()
    index = folder / "spool.db"
    index.write_bytes(_flip(b'"motion"', b'#motion"')(index.read_bytes()))

    given = taken(spool)

    assert sorted(given) == sorted(frame.frame_id for frame in frames)
    assert (spool.trouble(), spool.sweep(), spool.depth()) == (None, (), 200)
    assert _set_aside(folder)


def test_counts_outlive_an_index_that_is_set_aside_at_the_start(
    open_spool: Open, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    few = replace(BOUNDS, max_frames=2)
    spool = open_spool(bounds=few)
    for second in range(6):
        spool.put(real(second))
    _published(spool)
    spool.put(real(7))
    answered = _published(spool)
    spool.mark(answered, "answered")
    spool.close()
    index = folder / "spool.db"
    index.write_bytes(b"x" * 100 + index.read_bytes()[100:])

    for start in range(2):
        spool = open_spool(bounds=few)

        assert len(spool.sweep()) == (1 if start == 0 else 0)  # what was published, and has no file
        assert spool.dropped_before() == (4 if start == 0 else 5)
        assert spool.answered() == (answered,)
    told = "without a file that are lost with it, and counted as dropped: 1; dropped before: 4"
    assert caplog.text.count(told) == 1


@pytest.mark.parametrize("removed", [False, True])
def test_counts_outlive_an_index_that_breaks_or_is_removed_while_it_is_used(
    removed: bool, open_spool: Open, folder: Path
) -> None:
    few = replace(BOUNDS, max_frames=100)
    spool = open_spool(bounds=few)
    wordy = {"motion": 0.5, "x" * 3000: 0.0}
    frames = [replace(real(n % 60), captured_s=n / 10, gate=wordy) for n in range(103)]
    dropped = [each for frame in frames for each in spool.put(frame)]
    spool.close()
    spool = open_spool(bounds=few)
    index = folder / "spool.db"
    if removed:
        index.unlink()
    else:
        index.write_bytes(_flip(b'"motion"', b'#motion"')(index.read_bytes()))

    given = taken(spool)
    spool.put(real(59))

    assert (len(dropped), len(given)) == (3, 100)
    assert spool.dropped() == 3
    assert open_spool().dropped_before() == 3


def test_what_cannot_be_read_of_a_broken_index_is_said_once(
    open_spool: Open, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frame = real(1)
    open_spool().put(frame)
    open_spool().close()
    (folder / "spool.db").write_bytes(bytes(range(256)) * 40)

    spool = open_spool()

    assert taken(spool) == [frame.frame_id]
    assert spool.dropped_before() == 0
    assert caplog.text.count("counted as dropped: at least 0; dropped before: at least 0") == 1


def test_an_index_that_is_set_aside_is_only_read(tmp_path: Path) -> None:
    ids, dropped = _left_behind(tmp_path / "spool")
    path = tmp_path / "spool" / "spool.db"
    before = path.read_bytes()

    remains = remains_of(path, ids)

    assert (remains.dropped, remains.lost, len(remains.answered)) == (dropped, 0, 1)
    assert remains_of(tmp_path / "none", ()) == Remains(dropped=0, lost=0, answered=())
    assert path.read_bytes() == before
    assert {each.name for each in path.parent.iterdir()} == {"spool.db", "frames", "lock"}
