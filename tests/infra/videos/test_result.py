import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cloud.videos.naming import job_of
from cloud.videos.report import Findings, write_refusal, write_report, write_sighting
from cloud.videos.tally import Tally
from cloud.videos.video import Video
from infra.videos.result import read_result
from sightline.errors import MessageError
from sightline.messages import Face, FrameRecognized, Person

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
VIDEO = Video(
    name="a",
    key="a.mp4",
    job=job_of("a", "1"),
    order="1",
    etag="e",
    bytes=7,
    uploaded_at=AT,
    changed_at=AT,
    expires_at=AT,
    settings={"sampling": "every:0.5"},
    outcome="done",
)


def recognized(number: int, distance: float) -> FrameRecognized:
    face = Face(
        box=(1, 2, 3, 4),
        detection=0.9,
        decision="known",
        person=Person(id="ada", name="Ada", record={"year": 4}),
        distance=distance,
        margin=None,
        threshold=0.55,
    )
    return FrameRecognized(
        frame_id=f"{VIDEO.job}-{number:05}",
        device=VIDEO.device,
        captured_at=AT,
        recognized_at=AT,
        width=640,
        height=360,
        faces=(face,),
        engine="dlib-resnet@1",
        gallery=3,
        repeat=False,
        timings_ms={"detect": 20.0},
    )


def test_what_the_stack_writes_can_be_read(tmp_path: Path) -> None:
    tally, lines = Tally(), tmp_path / "lines"
    with lines.open("w") as file:
        for number, distance in ((1, 0.4), (2, 0.3)):
            result = recognized(number, distance)
            tally.add(number, 500 * number, result)
            write_sighting(file, VIDEO, number, 500 * number, result)
    findings = Findings(tally=tally, rejections=[], sampled=2)
    write_report(VIDEO, findings, lines, tmp_path / "a.json")

    result_read = read_result((tmp_path / "a.json").read_bytes())

    assert (result_read.status, result_read.complaint) == ("complete", None)
    [person] = result_read.people
    assert (person.name, person.best_frame, person.smallest_distance) == (
        "Ada",
        "a/00002.jpg",
        0.3,
    )
    assert [each.offset_s for each in result_read.sightings] == [0.5, 1.0]
    assert result_read.sightings[0].faces[0].person is not None


def test_what_it_writes_of_a_refused_video_can_be_read() -> None:
    refused = replace(VIDEO, outcome="refused", reason="no_frames", detail="nothing in it")

    result = read_result(write_refusal(refused))

    assert result.complaint == (
        "refused: no_frames: nothing in it - not one picture of it can be decoded; "
        "record or copy it anew"
    )


def test_an_incomplete_one_says_how_far_it_came() -> None:
    said = json.loads(write_refusal(replace(VIDEO, outcome="incomplete", detail="it stalled")))
    said["frames"] = {"sampled": 9, "recognized": 4, "rejected": 0, "missing": 5}

    complaint = read_result(json.dumps(said).encode()).complaint

    assert complaint is not None
    assert complaint.startswith("incomplete: it stalled; 4 of 9 stills were recognised - ")


@pytest.mark.parametrize("data", [b"", b"[]", b'{"video": "a.mp4"}', b"\xff"])
def test_what_is_no_result_is_refused(data: bytes) -> None:
    with pytest.raises(MessageError):
        read_result(data)
