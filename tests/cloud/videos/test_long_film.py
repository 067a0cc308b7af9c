"""The report about a long film takes no more memory than that about a short one."""

import json
import tracemalloc
from datetime import timedelta
from typing import Any

from cloud.sightings import Listing, Page
from cloud.videos.finishing import Finishing, FinishingPorts
from cloud.videos.ledger import begin
from cloud.videos.memory import MemoryLedger, MemoryObjects
from cloud.videos.naming import frame_id
from cloud.videos.video import Video
from sightline.messages import FrameRecognized
from tests.cloud.fakes import NOON
from tests.cloud.videos.test_ledger_laws import a_video
from tests.cloud.videos.world import face


class ManySightings:
    """Makes up each page as it is read."""

    def __init__(self, video: Video, count: int) -> None:
        self._video, self._count = video, count
        self.pages = 0

    def page(self, listing: Listing, *, limit: int = 100, cursor: str | None = None) -> Page:
        assert listing == Listing(device=self._video.device, newest_first=False)
        self.pages += 1
        begin = int(cursor or 1)
        end = min(begin + limit, self._count + 1)
        results = tuple(self._result(number) for number in range(begin, end))
        return Page(results=results, cursor=None if end > self._count else str(end))

    def _result(self, number: int) -> FrameRecognized:
        return FrameRecognized(
            frame_id=frame_id(self._video.job, number),
            device=self._video.device,
            captured_at=NOON + timedelta(seconds=number / 2),
            recognized_at=NOON,
            width=64,
            height=48,
            faces=tuple(face(who) for who in ("Ada", "Bob", "?")),
            engine="fake@1",
            gallery=7,
            repeat=False,
            timings_ms={"detect": 3.0},
        )


class Outputs(MemoryObjects):
    """Reads a report line by line, as S3's client reads it piece by piece."""

    size = counted = 0

    def put(self, key: str, body: Any, *, content_type: str, stamp: str) -> bool:
        if key.endswith(".json"):
            self.size = body.stat().st_size
            with body.open() as file:
                self.counted = sum(line.startswith('{"key":') for line in file)
            return True
        return super().put(key, body, content_type=content_type, stamp=stamp)


def finish(count: int) -> tuple[Outputs, int]:
    """Finish a film of *count* stills; give its outputs, and the bytes that took at most."""
    video = a_video(
        cleared=True, stills=count, chunks=1, chunks_done=1, stills_done=count, began_at=NOON
    )
    ledger, outputs = MemoryLedger(), Outputs()
    begin(ledger, video)
    ports = FinishingPorts(
        stage=MemoryObjects(),
        outputs=outputs,
        ledger=ledger,
        sightings=ManySightings(video, count),
    )
    tracemalloc.start()
    try:
        Finishing(ports, now=lambda: NOON).settle(video)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return outputs, peak


def test_memory_does_not_grow_with_the_film() -> None:
    finish(10)  # what is made once
    _, short = finish(1500)  # more than a page
    outputs, long = finish(6000)

    assert outputs.counted == 6000
    assert outputs.size > 3_000_000
    assert outputs.get("a.txt") == b"Ada\nBob\n"
    # The numbers of stills that were answered are remembered, and the object that was written is
    # 3 MB.
    assert long < short + 2_000_000


def test_a_report_of_many_is_json() -> None:
    video = a_video(
        cleared=True, stills=2500, chunks=1, chunks_done=1, stills_done=2500, began_at=NOON
    )
    ledger, outputs = MemoryLedger(), MemoryObjects()
    begin(ledger, video)
    sightings = ManySightings(video, 2500)
    ports = FinishingPorts(
        stage=MemoryObjects(), outputs=outputs, ledger=ledger, sightings=sightings
    )

    Finishing(ports, now=lambda: NOON).settle(video)

    report = json.loads(outputs.get("a.json"))
    assert len(report["sightings"]) == report["people"][0]["frames"] == 2500
    assert sightings.pages == 3
