import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cloud.videos.video import Video
from infra.videos.files import VideoFile
from infra.videos.following import Following, Standing, Upload, upload, uploaded_before
from sightline.errors import ConfigError, MessageError
from tests.infra.videos.memory import MemoryStack, document

BEGIN = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.at = BEGIN

    def __call__(self) -> datetime:
        return self.at

    def pass_s(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Notes:
    """What the stack notes: the newest upload under the one name."""

    def __init__(self, newest: Video | None = None) -> None:
        self.newest = newest

    def find(self, name: str) -> Video | None:
        return self.newest


def note(job: str, etag: str | None, **fields: Any) -> Video:
    assert etag is not None
    return Video(
        name="a",
        key="a.mp4",
        job=job,
        order="",
        etag=etag,
        bytes=3,
        uploaded_at=BEGIN,
        changed_at=BEGIN,
        expires_at=BEGIN,
        settings={},
        **fields,
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stack(clock: Clock) -> MemoryStack:
    return MemoryStack(now=clock)


@pytest.fixture
def file(tmp_path: Path) -> VideoFile:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"one")
    return VideoFile(path=path, key="a.mp4")


@pytest.fixture
def send(stack: MemoryStack, file: VideoFile) -> Callable[..., Upload]:
    def send(data: bytes = b"one") -> Upload:
        file.path.write_bytes(data)
        return upload(file, stack.input, stack.output)

    return send


def follow(uploads: list[Upload], stack: MemoryStack, notes: Notes | None = None) -> Following:
    return Following(uploads, stack.output, notes)


def test_a_video_is_open_until_its_result_is_there(
    stack: MemoryStack, send: Callable[..., Upload]
) -> None:
    following = follow([send()], stack)
    following.look()
    assert [each.file.key for each in following.open] == ["a.mp4"]

    stack.answer("a.mp4")
    following.look()

    assert following.open == ()
    assert following.results["a.mp4"].status == "complete"


def test_what_is_sent_beside_the_video_arrives(stack: MemoryStack, file: VideoFile) -> None:
    sent: list[int] = []

    upload(
        file,
        stack.input,
        stack.output,
        metadata={"sightline-sampling": "every:2"},
        sent=sent.append,
    )

    assert stack.input.metadata("a.mp4") == {"sightline-sampling": "every:2"}
    assert sum(sent) == 3


def test_the_result_of_an_earlier_upload_of_the_same_file_is_not_taken_for_the_new_ones(
    stack: MemoryStack, send: Callable[..., Upload], clock: Clock
) -> None:
    send()
    stack.answer("a.mp4")
    clock.pass_s(0.5)  # within the second that S3's times have
    following = follow([send()], stack)

    following.look()
    assert following.open

    stack.answer("a.mp4")
    following.look()
    assert not following.open


def test_a_result_that_an_earlier_upload_gets_meanwhile_is_not_taken_either(
    stack: MemoryStack, send: Callable[..., Upload], clock: Clock
) -> None:
    first = clock.at
    send(b"one")
    clock.pass_s(60)
    following = follow([send(b"two")], stack)

    stack.answer("a.mp4", uploaded_at=first.isoformat(), sha256="0" * 64)
    following.look()

    assert following.open


def test_an_upload_that_somebody_replaced_is_said_to_be(
    stack: MemoryStack, send: Callable[..., Upload], clock: Clock
) -> None:
    following = follow([send(b"one")], stack)
    clock.pass_s(60)
    send(b"two")
    stack.answer("a.mp4")

    seen: list[Standing] = []
    following.look(seen.append)

    assert not following.open
    assert not following.results
    assert [each.file.key for each in following.replaced] == ["a.mp4"]
    assert seen[0].state == "replaced"


def test_of_two_uploads_in_a_moment_the_stacks_own_note_tells_the_later(
    stack: MemoryStack, send: Callable[..., Upload], clock: Clock
) -> None:
    mine = send(b"one")
    clock.pass_s(0.3)
    theirs = send(b"two")
    said = stack.answer("a.mp4")
    notes = Notes()

    unsure = follow([mine], stack, notes)
    unsure.look()
    assert unsure.open  # it might be the earlier one's

    notes.newest = note(said["job"], theirs.etag, outcome="done")
    unsure.look()
    assert unsure.replaced == [mine]


def test_a_refused_video_without_a_digest_is_answered(
    stack: MemoryStack, send: Callable[..., Upload]
) -> None:
    following = follow([send()], stack)
    stack.answer("a.mp4", status="refused", reason="too_large", detail="12 GB", sha256=None)

    following.look()

    complaint = following.results["a.mp4"].complaint
    assert complaint is not None
    assert complaint.startswith("refused: too_large: 12 GB - cut it into pieces")


@pytest.mark.parametrize("is_noted", [True, False])
def test_a_file_whose_name_anothers_video_has_is_answered_under_its_whole_key(
    stack: MemoryStack, tmp_path: Path, is_noted: bool
) -> None:
    stack.input.put_data("a.mp4", b"film")
    holder = stack.answer("a.mp4")
    (tmp_path / "a.srt").write_bytes(b"text")
    file = VideoFile(path=tmp_path / "a.srt", key="a.srt")
    notes = Notes(note(holder["job"], "e", outcome="done")) if is_noted else None
    following = follow([upload(file, stack.input, stack.output)], stack, notes)
    following.look()
    assert [each.file.key for each in following.open] == ["a.srt"]

    said = document("a.srt", b"text", BEGIN, status="refused", reason="not_a_video", name="a")
    stack.output.put_data("a.srt.json", json.dumps(said).encode())
    following.look()

    assert following.results["a.srt"].reason == "not_a_video"


def test_a_result_counts_once_all_its_outputs_are_of_this_upload(
    stack: MemoryStack, send: Callable[..., Upload], clock: Clock
) -> None:
    send()
    stack.answer("a.mp4")  # leaves an older .txt behind
    clock.pass_s(60)
    following = follow([send()], stack)
    clock.pass_s(5)
    stack.answer("a.mp4", leave_out=[".txt"])

    following.look()
    assert following.open

    stack.output.put_data("a.txt", b"")
    following.look()
    assert not following.open


def test_how_far_a_video_is_is_told_from_the_stacks_notes(
    stack: MemoryStack, send: Callable[..., Upload]
) -> None:
    mine, notes, seen = send(), Notes(), list[Standing]()
    following = follow([mine], stack, notes)
    following.look(seen.append)
    notes.newest = note("j" * 26, "another", stills=9, stills_done=9, chunks=9)
    following.look(seen.append)
    notes.newest = note("j" * 26, mine.etag, stills=120, stills_done=40, chunks=12)
    following.look(seen.append)
    stack.answer("a.mp4")
    following.look(seen.append)

    assert [(each.state, each.stills_done, each.stills) for each in seen] == [
        ("waiting", 0, 0),
        ("waiting", 0, 0),  # the notes are of the upload before
        ("recognizing", 40, 120),
        ("complete", 40, 120),
    ]


def test_an_upload_can_be_taken_up_later(stack: MemoryStack, send: Callable[..., Upload]) -> None:
    file = send().file
    stack.answer("a.mp4")
    stack.input.delete(["a.mp4"])  # its time was up; the result is kept

    following = follow([uploaded_before(file, stack.input, stack.output)], stack)
    following.look()

    assert following.results["a.mp4"].status == "complete"


def test_who_asks_after_a_file_whose_name_another_has_now_is_told(
    stack: MemoryStack, send: Callable[..., Upload]
) -> None:
    theirs = send(b"two")
    said = stack.answer("a.mp4")
    theirs.file.path.write_bytes(b"mine")
    mine = uploaded_before(theirs.file, stack.input, stack.output)

    following = follow([mine], stack, Notes(note(said["job"], theirs.etag, outcome="done")))
    following.look()

    assert following.replaced == [mine]


def test_what_was_never_uploaded_cannot_be_taken_up(stack: MemoryStack, file: VideoFile) -> None:
    with pytest.raises(ConfigError, match=r"has no video 'a\.mp4'"):
        uploaded_before(file, stack.input, stack.output)


def test_a_result_that_is_none_is_named_by_field(
    stack: MemoryStack, send: Callable[..., Upload]
) -> None:
    following = follow([send()], stack)
    stack.output.put_data("a.json", b'{"video": 1}')

    with pytest.raises(MessageError, match="video"):
        following.look()
