"""Segments to the bucket: whole, in parts, again after a restart, and behind frames."""

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.network.backoff import Backoff
from device.network.s3_segment_store import S3SegmentStore
from device.recording.lane import CHUNK_BYTES, FramesFirst, Lane, YieldingBody
from device.recording.ring import Ring
from device.recording.segment_store import SegmentFolder
from device.recording.uploads import SegmentUploads
from sightline.errors import ConfigError, TransportError
from sightline.keys import new_frame_id
from tests.device.fakes import DEADLINE_S, NOON, MemoryStore, until
from tests.device.recording.fake_s3 import FakeS3, fake_s3

PART = 5000
KEY = "segments/front-door/2026/11/21/a.mp4"


@pytest.fixture
def s3() -> Iterator[FakeS3]:
    with fake_s3() as fake:
        yield fake


def store(s3: FakeS3) -> S3SegmentStore:
    return S3SegmentStore(s3.bucket(), Lane(), part_bytes=PART)


def a_segment(folder: Path, size: int) -> Path:
    path = folder / "a.mp4"
    path.write_bytes(bytes(i % 251 for i in range(size)))
    return path


def test_a_small_segment_goes_whole_and_the_first_one_stays(s3: FakeS3, tmp_path: Path) -> None:
    path = a_segment(tmp_path, PART)
    store(s3).put(KEY, path)
    first = s3.objects[KEY]
    path.write_bytes(b"other")
    store(s3).put(KEY, path)

    assert s3.objects == {KEY: first}
    assert len(first) == PART
    assert s3.asked == ["put", "put"]


def test_a_large_one_goes_in_parts_and_leaves_no_notes(s3: FakeS3, tmp_path: Path) -> None:
    path = a_segment(tmp_path, 2 * PART + 1)
    store(s3).put(KEY, path)

    assert s3.objects[KEY] == path.read_bytes()
    assert s3.asked == ["begin", "part 1", "part 2", "part 3", "end"]
    assert list(tmp_path.iterdir()) == [path]


def test_parts_that_are_there_are_not_sent_again_after_a_restart(
    s3: FakeS3, tmp_path: Path
) -> None:
    path = a_segment(tmp_path, 4 * PART)
    s3.fail["part 3"] = "NoSuchBucket"
    with pytest.raises(ConfigError, match="there is no such bucket"):
        store(s3).put(KEY, path)
    del s3.asked[:]
    store(s3).put(KEY, path)  # another process's

    assert s3.asked == ["part 3", "part 4", "end"]
    assert s3.objects[KEY] == path.read_bytes()


def test_an_upload_that_the_bucket_has_forgotten_begins_anew(s3: FakeS3, tmp_path: Path) -> None:
    path = a_segment(tmp_path, 2 * PART)
    s3.fail["part 2"] = "NoSuchBucket"
    with pytest.raises(ConfigError):
        store(s3).put(KEY, path)
    s3.uploads.clear()
    with pytest.raises(TransportError, match="the upload begins anew"):
        store(s3).put(KEY, path)
    del s3.asked[:]
    store(s3).put(KEY, path)

    assert s3.asked == ["begin", "part 1", "part 2", "end"]


@pytest.mark.parametrize(
    "notes",
    [
        "",
        "[]",
        '{"key": "k"}',
        f'{{"key": "{KEY}", "size": 10000, "upload_id": "x", "tags": ["a"], "sums": []}}',
        '{"key": "other", "size": 10000, "upload_id": "x", "tags": [], "sums": []}',
        f'{{"key": "{KEY}", "size": 9999, "upload_id": "x", "tags": [], "sums": []}}',
    ],
)
def test_notes_that_are_no_good_are_not_gone_by(s3: FakeS3, tmp_path: Path, notes: str) -> None:
    path = a_segment(tmp_path, 2 * PART)
    path.with_suffix(".upload").write_text(notes)
    store(s3).put(KEY, path)

    assert s3.objects[KEY] == path.read_bytes()


def test_a_large_one_that_is_there_already_is_ours(s3: FakeS3, tmp_path: Path) -> None:
    path = a_segment(tmp_path, 2 * PART)
    s3.objects[KEY] = b"the first"
    store(s3).put(KEY, path)

    assert s3.objects[KEY] == b"the first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_bucket_that_cannot_be_reached_is_tried_again_later(tmp_path: Path) -> None:
    with fake_s3() as gone:
        bucket = gone.bucket()
    with pytest.raises(TransportError, match="cannot be reached"):
        S3SegmentStore(bucket, Lane()).put(KEY, a_segment(tmp_path, 10))


def ring_of(folder: Path, seconds: range) -> Ring:
    ring = Ring(folder, max_bytes=10**6)
    for second in seconds:
        segment_id = new_frame_id(NOON.replace(second=second))
        ring.begin(segment_id).write_bytes(f"video {second}".encode())
        ring.finish(segment_id)
    return ring


class Flaky:
    """Fails as told, and else takes segments."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.taken: list[tuple[str, bytes]] = []

    def put(self, key: str, path: Path) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.taken.append((key, path.read_bytes()))


def test_what_is_in_the_ring_goes_to_its_key_oldest_first_and_then_from_the_disk(
    tmp_path: Path,
) -> None:
    ring = ring_of(tmp_path / "ring", range(3))
    ids = ring.ids()
    uploads = SegmentUploads("front-door", ring, SegmentFolder(tmp_path / "bucket"))
    assert [uploads.step() for _ in range(4)] == [True, True, True, False]

    assert ring.ids() == ()
    for second, each in enumerate(ids):
        key = f"segments/front-door/2026/11/21/{each}.mp4"
        assert (tmp_path / "bucket" / key).read_bytes() == f"video {second}".encode()


def test_a_segment_that_does_not_go_stays_and_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ring = ring_of(tmp_path, range(2))
    flaky = Flaky(*[TransportError("no network")] * 3, ConfigError("no such bucket"))
    uploads = SegmentUploads("front-door", ring, flaky, backoff=Backoff(first_s=0))
    for _ in range(3):
        assert not uploads.step()
    assert uploads.trouble == "video is not uploaded: no network"
    uploads.step()
    assert uploads.trouble == "video is not uploaded: no such bucket"
    assert len(ring.ids()) == 2
    uploads.step()
    uploads.step()

    assert [data for _, data in flaky.taken] == [b"video 0", b"video 1"]
    assert uploads.trouble is None
    assert [each.levelname for each in caplog.records] == ["WARNING", "WARNING"]


def test_a_segment_that_somebody_removed_is_passed_over(tmp_path: Path) -> None:
    ring = ring_of(tmp_path, range(2))
    ring.path(ring.ids()[0]).unlink()
    flaky = Flaky()
    uploads = SegmentUploads("front-door", ring, flaky)
    uploads.step()
    uploads.step()

    assert [data for _, data in flaky.taken] == [b"video 1"]


def test_a_segment_that_a_worn_card_cannot_give_back_keeps_no_other_from_being_sent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ring = ring_of(tmp_path, range(2))
    flaky = Flaky(OSError(errno.EIO, os.strerror(errno.EIO)))
    uploads = SegmentUploads("front-door", ring, flaky)
    assert [uploads.step(), uploads.step()] == [False, True]

    assert [data for _, data in flaky.taken] == [b"video 1"]
    assert ring.ids() == ()
    assert "cannot be read (Input/output error): it is lost" in caplog.text


def test_a_segment_that_cannot_be_read_for_the_moment_stays(tmp_path: Path) -> None:
    ring = ring_of(tmp_path, range(1))
    flaky = Flaky(OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
    uploads = SegmentUploads("front-door", ring, flaky, backoff=Backoff(first_s=0))
    assert not uploads.step()
    assert "Too many open files" in (uploads.trouble or "")
    assert uploads.step()

    assert [data for _, data in flaky.taken] == [b"video 0"]


def test_uploading_can_be_switched_off_and_on(tmp_path: Path) -> None:
    ring, flaky, stop = ring_of(tmp_path, range(2)), Flaky(), threading.Event()
    uploads = SegmentUploads("front-door", ring, flaky)
    uploads.switch(False)
    thread = threading.Thread(target=uploads.run, args=(stop,), daemon=True)
    thread.start()
    assert len(ring.ids()) == 2
    uploads.switch(True)
    until(lambda: len(flaky.taken) == 2)
    stop.set()
    uploads.close()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()


def test_video_waits_while_a_frame_is_sent_and_not_for_ever() -> None:
    lane, sending, done = Lane(), threading.Event(), threading.Event()

    class Slow(MemoryStore):
        def put(self, key: str, jpeg: bytes, sha256: str) -> None:
            sending.set()
            assert done.wait(DEADLINE_S)

    body = YieldingBody(b"v" * 3 * CHUNK_BYTES, lane, patience_s=DEADLINE_S)
    frame = threading.Thread(target=FramesFirst(Slow(), lane).put, args=("k", b"", ""))
    frame.start()
    assert sending.wait(DEADLINE_S)
    read: list[int] = []
    video = threading.Thread(target=lambda: read.append(len(body.read(10 * CHUNK_BYTES))))
    video.start()
    assert read == []
    impatient = YieldingBody(b"v" * 10, lane, patience_s=0.001)
    assert impatient.read() == b"v" * 10
    done.set()
    frame.join(DEADLINE_S)
    video.join(DEADLINE_S)
    assert read == [CHUNK_BYTES]
