"""A video's people for other programs: names, one a line, and a table for a spreadsheet.

Names and records come from whoever enrolled somebody, and are opened by somebody else. What a
spreadsheet would run, or what makes a text look other than it is, must not get that far.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence

from cloud.videos.naming import still_key
from cloud.videos.tally import Seen
from sightline.wire import Json

UNKNOWN = "unknown"

_BEFORE = ("id", "name")
_AFTER = ("first_seen", "last_seen", "frames", "best_frame", "smallest_distance")

# Controls, less tab and the ends of lines; marks and embeddings that turn the direction of text;
# byte order marks.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)

# A cell that begins so is a formula. Full-width signs are taken for the plain ones in some
# languages; a semicolon parts cells there, so that one may begin in the middle of a text, and in a
# quotation mark.
# Source: OWASP, "CSV Injection".
_FORMULA = re.compile(r"(\A|[;\t\r\n])(?=[ \u00a0\"]*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20])")


def write_names(people: Iterable[Seen], *, has_faces: bool) -> bytes:
    """Write names, one a line; `unknown` if there are faces and nobody is known; else nothing."""
    names = [" ".join(_INVISIBLE.sub("", seen.person.name).split()) for seen in people]
    lines = names or ([UNKNOWN] if has_faces else [])
    return "".join(f"{line}\n" for line in lines).encode()


def write_table(video: str, people: Sequence[Seen]) -> bytes:
    """Write a row a person, with each field that any of their records has, as CSV in UTF-8."""
    fields = sorted({field for seen in people for field in seen.record})
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*_BEFORE, *_headings(fields), *_AFTER])
    for seen in people:
        writer.writerow(
            [
                cell(seen.person.id),
                cell(seen.person.name),
                *(cell(seen.record.get(field)) for field in fields),
                seconds(seen.first_ms),
                seconds(seen.last_ms),
                seen.frames,
                cell(still_key(video, seen.best_frame)),
                seen.smallest_distance,
            ]
        )
    return file.getvalue().encode()


def cell(value: Json) -> str:
    """Write one value of a record; text such that no spreadsheet runs it."""
    if value is None:
        return ""
    if isinstance(value, str):
        # A reader takes a bare CR for the end of a row, and the writer does not quote it.
        lines = _INVISIBLE.sub("", value).replace("\r\n", "\n").replace("\r", "\n")
        return _FORMULA.sub(r"\1'", lines)
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    return _FORMULA.sub(r"\1'", _INVISIBLE.sub("", json.dumps(value, ensure_ascii=False)))


def seconds(offset_ms: int) -> str:
    """Write an offset in seconds, with three digits."""
    return f"{offset_ms / 1000:.3f}"


def _headings(fields: Iterable[str]) -> list[str]:
    """Name the records' columns, each other than ours and than the others."""
    taken = {*_BEFORE, *_AFTER}
    headings = []
    for field in fields:
        heading = cell(field)
        while heading in taken:
            heading = f"record.{heading}"
        taken.add(heading)
        headings.append(heading)
    return headings
