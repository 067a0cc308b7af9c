"""What a stack made of videos, on this machine: files, a contact sheet, and rows to read."""

from collections.abc import Iterable
from pathlib import Path

from infra.videos.buckets import Shelf
from infra.videos.following import Upload
from infra.videos.result import ENDINGS, VideoResult, read_result
from infra.videos.sheet import moment, write_sheet

COLUMNS = ("video", "person", "first seen", "last seen", "frames", "distance")
REPLACED = "another upload under its name replaced it; rename the file and upload it again"


def fetch(result: VideoResult, folder: Path, *, stage: Shelf, output: Shelf) -> tuple[Path, ...]:
    """Write a video's outputs and its contact sheet into *folder*; give what was written.

    What an earlier video of the name left there, and this one does not have, is removed.

    Raises:
        ConfigError: A bucket or the right to it is missing.
        TransportError: The stack is out of reach.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if result.status == "refused" and (aside := _aside(result, output)) is not None:
        path = folder / f"{result.video}.json"
        path.write_bytes(aside)
        return (path,)
    written = []
    for ending in (*ENDINGS, ".jpg"):
        path = folder / f"{result.name}{ending}"
        is_made = result.status != "refused" or ending == ".json"
        data = (
            (stage if ending == ".jpg" else output).get(result.name + ending) if is_made else None
        )
        if data is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(data)
            written.append(path)
    sheet = write_sheet(result, stage, folder / f"{result.name}.contact-sheet.png")
    return (*written, sheet) if sheet else tuple(written)


def _aside(result: VideoResult, output: Shelf) -> bytes | None:
    """Give the report of a file that was refused beside a video of its name; None: it is alone."""
    there = output.get(f"{result.name}.json")
    if there is None or read_result(there).video == result.video:
        return None
    return output.get(f"{result.video}.json")


def rows(uploads: Iterable[Upload], results: dict[str, VideoResult]) -> list[tuple[str, ...]]:
    """Lay out who was seen, a row a person, in the order of the uploads; see `COLUMNS`."""
    return [
        (
            each.file.key,
            person.name,
            moment(person.first_seen_s),
            moment(person.last_seen_s),
            f"{person.frames}",
            f"{person.smallest_distance:.2f}",
        )
        for each in uploads
        if each.file.key in results
        for person in results[each.file.key].people
    ]


def lines(result: VideoResult) -> list[str]:
    """Say in words what came of a video, its problems included."""
    said = result.complaint or "complete"
    if result.frames is not None and result.complaint is None:
        counts = result.frames
        said += f": {counts.recognized} of {counts.sampled} stills recognised"
        said += f", {_people(result)}"
    took = (result.timings_ms or {}).get("whole")
    if took is not None:
        said += f", in {took / 1000:.1f} s"
    return [f"{result.video}: {said}", *(f"{result.video}: note: {p}" for p in result.problems)]


def _people(result: VideoResult) -> str:
    if result.people:
        count = len(result.people)
        return f"{count} {'person' if count == 1 else 'people'}"
    seen = any(still.faces for still in result.sightings)
    return "faces, but nobody known" if seen else "no faces"
