"""What callers call their files: a name is kept exactly, or refused, never put right in silence.

It becomes part of a key in S3, of a URL and of files that others make of them later.
"""

import re
from urllib.parse import quote

from cloud.http.problems import Problem
from cloud.videos.naming import name_of

MAX_FILE_NAME = 200  # characters
# Of its UTF-8. As metadata (`as_metadata`) each takes up to three, and S3 takes 2048 of an object.
# Only emoji and rare letters have four bytes: names without any may have all of their characters.
MAX_FILE_NAME_BYTES = 660

# Control characters, what XML and so S3's lists cannot hold, lines' ends, and marks that make the
# rest of a line read backwards; slashes of both kinds; and ?, at which API Gateway ends the path of
# a URL, even if it is sent as %3F.
_REFUSED = r"\u0000-\u001f\u007f-\u009f/?\\\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe\uffff"
_HALVES = r"\ud800-\udfff"  # of characters; no text that is published or sent can hold them

PUBLISHED_PATTERN = rf"^(?!\.{{1,2}}$)[^{_REFUSED}]{{1,{MAX_FILE_NAME}}}$"
PUBLISHED_VIDEO_PATTERN = PUBLISHED_PATTERN.replace("^", r"^(?!\.{2,3}[^.]+$)", 1)

_GOOD = re.compile(rf"(?!\.{{1,2}}\Z)[^{_REFUSED}{_HALVES}]{{1,{MAX_FILE_NAME}}}\Z")
_REFUSED_ONE = re.compile(f"[{_REFUSED}{_HALVES}]")


def check_file_name(name: str, where: str = "fileName") -> str:
    """Return *name*, if a file can be called so wherever it goes.

    Raises:
        Problem: 400; it says what is wrong.
    """
    size = len(name.encode(errors="replace"))
    if _GOOD.match(name) and size <= MAX_FILE_NAME_BYTES:
        return name
    found = _REFUSED_ONE.search(name)
    if not name:
        why = "it is empty"
    elif len(name) > MAX_FILE_NAME:
        why = f"it has {len(name)} characters; at most {MAX_FILE_NAME} are taken"
    elif found:
        why = f"it holds {found[0]!a}; give the file's own name, without folders"
    elif size > MAX_FILE_NAME_BYTES:
        why = f"it has {size} bytes in UTF-8; at most {MAX_FILE_NAME_BYTES} are taken"
    else:
        why = "it names a folder"
    raise _refused(where, why)


def check_video_name(name: str) -> str:
    """Return *name*, if a video can be called so: its results are asked after without its ending.

    Raises:
        Problem: 400; it says what is wrong.
    """
    if name_of(check_file_name(name)) in (".", ".."):
        raise _refused("fileName", "without its ending it names a folder")
    return name


def tidy_file_name(name: str) -> str:
    r"""Make a name of what a browser says unasked, such as `C:\fakepath\photo.jpg`."""
    last = re.split(r"[/\\]", name)[-1]
    kept = _REFUSED_ONE.sub("", last)[:MAX_FILE_NAME]
    kept = kept.encode()[:MAX_FILE_NAME_BYTES].decode(errors="ignore")
    return kept if _GOOD.match(kept) else "unnamed"


def as_metadata(name: str) -> str:
    """Write *name* as metadata of an S3 object, which is ASCII: percent-encoded UTF-8."""
    return quote(name, safe=" !#$&'()+,;=@[]{}~")


def _refused(where: str, why: str) -> Problem:
    return Problem(400, "bad-file-name", f"{where} is no file's name: {why}")
