"""Thousands of stale stills go in few requests; a few, only if they are the older upload's."""

import pytest

from cloud.videos.clearing import wipe
from cloud.videos.ledger import SupersededError, begin
from cloud.videos.memory import MemoryLedger, MemoryObjects
from cloud.videos.objects import JPEG
from tests.cloud.videos.test_ledger_laws import a_video
from tests.cloud.videos.world import Watched


@pytest.mark.parametrize(("count", "requests"), [(5, 1), (100, 1), (2500, 3)])
def test_stale_stills_are_removed_whatever_their_number(count: int, requests: int) -> None:
    ledger, stage, video, calls = MemoryLedger(), MemoryObjects(), a_video(), list[str]()
    begin(ledger, video)
    for number in range(1, count + 1):
        stage.put(f"a/{number:05}.jpg", b"", content_type=JPEG, stamp="2020")
    stage.put("a/notes.jpg", b"", content_type=JPEG, stamp="2020")

    watched = Watched(stage, calls.append)
    wipe(video, ledger=ledger, stage=watched, outputs=MemoryObjects())

    assert list(stage.stored) == ["a/notes.jpg"]  # is no still
    assert calls.count("before remove") == requests + 1  # and the poster's


@pytest.mark.parametrize("count", [5, 2500])
def test_a_newer_uploads_stills_are_left(count: int) -> None:
    ledger, stage, video = MemoryLedger(), MemoryObjects(), a_video()
    newer = a_video(later_s=1)
    begin(ledger, video)
    begin(ledger, newer)
    for number in range(1, count + 1):
        stage.put(f"a/{number:05}.jpg", b"", content_type=JPEG, stamp=newer.order)

    if count > 100:
        with pytest.raises(SupersededError):
            wipe(video, ledger=ledger, stage=stage, outputs=MemoryObjects())
    else:
        wipe(video, ledger=ledger, stage=stage, outputs=MemoryObjects())

    assert len(stage.stored) == count
