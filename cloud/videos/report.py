"""`<name>.json`: everything that is known about a video, for programs.

Sightings are written to a file as they are read, so that the memory this takes does not grow with
the film.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from cloud.videos.ledger import Rejection
from cloud.videos.naming import still_key
from cloud.videos.tally import Tally
from cloud.videos.video import Outcome, Video
from sightline.messages import FrameRecognized
from sightline.wire import Json, dump, write_time

_STATUS: dict[Outcome, str] = {
    "done": "complete",
    "incomplete": "incomplete",
    "refused": "refused",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What came of a video's stills."""

    tally: Tally
    rejections: Sequence[Rejection]
    sampled: int  # stills that should have been looked at

    @property
    def missing(self) -> int:
        """Count the stills that nobody answered."""
        return max(0, self.sampled - self.tally.frames - len(self.rejections))


def write_sighting(
    file: TextIO, video: Video, number: int, offset_ms: int, result: FrameRecognized
) -> None:
    """Append one sighting to the file that `write_report` puts together, as a line."""
    said = {**_where(video, number, offset_ms), **dump(result)}
    file.write(("" if file.tell() == 0 else ",\n") + _line(said))


def write_report(video: Video, findings: Findings, sightings: Path, path: Path) -> None:
    """Write the report about *video*, which has its outcome, into *path*.

    Args:
        video: As it will be noted.
        findings: What came of its stills.
        sightings: What `write_sighting` has written.
        path: Where.
    """
    tally = findings.tally
    head = _head(video)
    head["engine"] = _engine(tally.engines)
    head["gallery"] = sorted(tally.galleries)
    head["frames"] = {
        "sampled": findings.sampled,
        "recognized": tally.frames,
        "rejected": len(findings.rejections),
        "missing": findings.missing,
    }
    head["people"] = [
        {
            "id": seen.person.id,
            "name": seen.person.name,
            "record": seen.person.record,
            "first_seen_s": seen.first_ms / 1000,
            "last_seen_s": seen.last_ms / 1000,
            "frames": seen.frames,
            "best_frame": still_key(video.name, seen.best_frame),
            "smallest_distance": seen.smallest_distance,
        }
        for seen in tally.people()
    ]
    head["timings_ms"]["recognize"] = round(tally.recognize_ms, 1)
    with path.open("wb") as file, sightings.open("rb") as read:
        _put_together(file, head, read, _rejections(video, findings.rejections))


def write_refusal(video: Video) -> bytes:
    """Write the report about a video that could not be split."""
    said = {**_head(video), "sightings": [], "rejections": []}
    return (json.dumps(said, ensure_ascii=False, indent=1) + "\n").encode()


def _head(video: Video) -> dict[str, Json]:
    finished_at = video.finished_at or video.changed_at
    settings = json.dumps(dict(video.settings), sort_keys=True, separators=(",", ":"))
    return {
        "video": video.key,
        "name": video.name,
        "status": _STATUS[video.outcome or "incomplete"],
        "reason": video.reason,
        "detail": video.detail,
        "problems": list(video.problems),
        "job": video.job,
        "device": video.device,
        "uploaded_at": write_time(video.uploaded_at),
        "finished_at": write_time(finished_at),
        "bytes": video.bytes,
        "sha256": video.sha256,
        "settings": dict(video.settings),
        "settings_sha256": hashlib.sha256(settings.encode()).hexdigest(),
        "engine": None,
        "gallery": [],
        "film": _film(video),
        "frames": {"sampled": 0, "recognized": 0, "rejected": 0, "missing": 0},
        "people": [],
        "timings_ms": {
            "download": video.download_ms,
            "split": video.split_ms,
            "recognize": 0.0,
            "whole": round((finished_at - video.uploaded_at).total_seconds() * 1000, 1),
        },
    }


def _film(video: Video) -> dict[str, Json] | None:
    film = video.film
    if film is None:
        return None
    return {
        "codec": film.codec,
        "width": film.width,
        "height": film.height,
        "duration_s": film.duration_s,
        "rate": film.rate,
    }


def _engine(engines: Iterable[str]) -> str | None:
    """Name the engine; a stack that changed it meanwhile has used two."""
    return ", ".join(sorted(engines)) or None


def _rejections(video: Video, rejections: Iterable[Rejection]) -> str:
    lines = (
        _line(
            {
                **_where(video, rejection.number, rejection.offset_ms),
                "reason": rejection.reason,
                "detail": rejection.detail,
            }
        )
        for rejection in rejections
    )
    return ",\n".join(lines)


def _where(video: Video, number: int, offset_ms: int) -> dict[str, Json]:
    return {"key": still_key(video.name, number), "offset_s": offset_ms / 1000}


def _put_together(
    file: BinaryIO, head: Mapping[str, Json], sightings: BinaryIO, rejections: str
) -> None:
    opened = json.dumps(head, ensure_ascii=False, indent=1).removesuffix("\n}")
    file.write(f'{opened},\n "sightings": [\n'.encode())
    shutil.copyfileobj(sightings, file)
    file.write(f'\n ],\n "rejections": [\n{rejections}\n ]\n}}\n'.encode())


def _line(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
