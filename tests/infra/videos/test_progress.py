import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from infra.cli.video_progress import VideoProgress
from infra.videos.files import VideoFile
from infra.videos.following import Following, Standing, Upload
from infra.videos.waiting import PATIENCE_S, wait
from sightline.errors import TransportError
from tests.infra.load.clock import FakeClock
from tests.infra.videos.memory import MemoryBucket


@pytest.fixture
def upload(tmp_path: Path) -> Upload:
    path = tmp_path / "a [1].mp4"
    path.write_bytes(bytes(2_000_000))
    file = VideoFile(path=path, key=path.name)
    return Upload(file=file, sha256="", etag="e", stored_at=datetime.now(UTC), before=None)


def standing(upload: Upload, state: str, done: int = 0, stills: int = 0) -> Standing:
    return Standing(upload=upload, state=state, stills=stills, stills_done=done)


def test_without_a_terminal_changes_are_told_and_counts_now_and_then(upload: Upload) -> None:
    out, clock = io.StringIO(), FakeClock()
    with VideoProgress(Console(file=out, width=100), clock=clock.now_s) as progress:
        sent = progress.sending(upload.file)
        sent(2_000_000)
        progress.sent(upload.file)
        progress.show(standing(upload, "waiting"))
        for done in range(9):
            progress.show(standing(upload, "recognizing", done, 9))
            clock.wait(1)
        progress.show(standing(upload, "complete", 9, 9))

    assert out.getvalue().splitlines() == [
        "a [1].mp4: uploaded, 2.0 MB",
        "a [1].mp4: waits for its turn",
        "a [1].mp4: recognizing, 0 of 9 stills",
        "a [1].mp4: recognizing, 5 of 9 stills",
        "a [1].mp4: complete",
    ]


def test_on_a_terminal_there_is_a_bar(upload: Upload) -> None:
    out = io.StringIO()
    console = Console(file=out, width=120, force_terminal=True)
    with VideoProgress(console) as progress:
        progress.sending(upload.file)(1_000_000)
        progress.show(standing(upload, "recognizing", 40, 120))

    assert "a [1].mp4" in out.getvalue()
    assert "40 of 120 stills" in out.getvalue()


class OutOfReach(MemoryBucket):
    def get(self, key: str) -> bytes | None:
        raise TransportError("no route")


def test_a_stack_that_stays_out_of_reach_ends_the_wait(upload: Upload) -> None:
    clock = FakeClock()
    following = Following([upload], OutOfReach(), None)

    with pytest.raises(TransportError, match="no route"):
        wait(following, timeout_s=3600, now=clock.now_s, pause=clock.wait)

    assert clock.now_s() - 100 == pytest.approx(PATIENCE_S, abs=1.1)


def test_nobody_is_waited_for_longer_than_told(upload: Upload) -> None:
    clock = FakeClock()
    following = Following([upload], MemoryBucket(), None)

    wait(following, timeout_s=30, now=clock.now_s, pause=clock.wait)

    assert clock.now_s() - 100 == pytest.approx(30, abs=0.01)
    assert following.open
