"""What callers call their files: a name is kept exactly, or refused, never put right in silence.

It becomes part of a key in S3, of a URL and of files that others make of them later.
"""

import re
from urllib.parse import quote

from cloud.http.problems import Problem

MAX_FILE_NAME = 200  # characters; in UTF-8 four times that, and a key may have 1024 bytes

# Control characters, what XML and so S3's lists cannot hold, lines' ends, and marks that make the
# rest of a line read backwards; slashes of both kinds; and ?, at which API Gateway ends the path of
# a URL, even if it is sent as %3F.
_REFUSED = r"\u0000-\u001f\u007f-\u009f/?\\\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe\uffff"
_HALVES = r"\ud800-\udfff"  # of characters; no text that is published or sent can hold them

PUBLISHED_PATTERN = rf"^(?!\.{{1,2}}$)[^{_REFUSED}]{{1,{MAX_FILE_NAME}}}$"

_GOOD = re.compile(rf"(?!\.{{1,2}}\Z)[^{_REFUSED}{_HALVES}]{{1,{MAX_FILE_NAME}}}\Z")
_REFUSED_ONE = re.compile(f"[{_REFUSED}{_HALVES}]")


def check_file_name(name: str, where: str = "fileName") -> str:
    """Return *name*, if a file can be called so wherever it goes.

    Raises:
        Problem: 400; it says what is wrong.
    """
    if _GOOD.match(name):
        return name
    found = _REFUSED_ONE.search(name)
    if not name:
        why = "it is empty"
    elif len(name) > MAX_FILE_NAME:
        why = f"it has {len(name)} characters; at most {MAX_FILE_NAME} are taken"
    elif found:
        why = f"it holds {found[0]!a}; give the file's own name, without folders"
    else:
        why = "it names a folder"
    raise Problem(400, "bad-file-name", f"{where} is no file's name: {why}")


def tidy_file_name(name: str) -> str:
    r"""Make a name of what a browser says unasked, such as `C:\fakepath\photo.jpg`."""
    last = re.split(r"[/\\]", name)[-1]
    kept = _REFUSED_ONE.sub("", last)[:MAX_FILE_NAME]
    return kept if _GOOD.match(kept) else "unnamed"


def as_metadata(name: str) -> str:
    """Write *name* as metadata of an S3 object, which is ASCII: percent-encoded UTF-8."""
    return quote(name, safe=" !#$&'()+,;=@[]{}~")
