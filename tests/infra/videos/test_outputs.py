"""What is written of a video on this machine, and what is left alone."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.videos.outputs import fetch
from infra.videos.result import read_result
from tests.infra.videos.memory import MemoryBucket, document

BEGIN = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def stored(bucket: MemoryBucket, key: str, said: dict[str, Any]) -> bytes:
    data = json.dumps(said).encode()
    bucket.put_data(key, data)
    return data


def test_a_file_refused_beside_a_video_of_its_name_leaves_the_videos_outputs(
    tmp_path: Path,
) -> None:
    stage, output = MemoryBucket(), MemoryBucket()
    film = stored(output, "a.json", document("a.mp4", b"film", BEGIN))
    output.put_data("a.csv", b"id,name\n")
    output.put_data("a.txt", b"Ada\n")
    refused = document("a.srt", b"text", BEGIN, status="refused", reason="not_a_video", name="a")
    aside = stored(output, "a.srt.json", refused)

    fetch(read_result(film), tmp_path, stage=stage, output=output)
    written = fetch(read_result(aside), tmp_path, stage=stage, output=output)

    assert written == (tmp_path / "a.srt.json",)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "a.json": film,
        "a.csv": b"id,name\n",
        "a.txt": b"Ada\n",
        "a.srt.json": aside,
    }


def test_a_refused_video_takes_the_place_of_what_its_name_had(tmp_path: Path) -> None:
    stage, output = MemoryBucket(), MemoryBucket()
    (tmp_path / "a.txt").write_text("Ada\n")
    refused = document("a.mp4", b"text", BEGIN, status="refused", reason="not_a_video", name="a")
    said = stored(output, "a.json", refused)

    fetch(read_result(said), tmp_path, stage=stage, output=output)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.json": said}
