"""What everything of a video is called: its stills, its outputs, its virtual device.

The name is the key of the upload without its last ending, and is kept exactly as it is: S3 takes
any Unicode, and whoever uploads `sub/ä b.mov` looks for `sub/ä b.txt`.
"""

import hashlib
import re
from base64 import b32encode

from sightline.errors import MessageError
from sightline.keys import MAX_KEY_BYTES

DIGITS = 5  # of a still's number; more if need be

_JOB = re.compile(r"[a-z2-7]{26}")
_LONGEST_SUFFIX = "/00001.jpg"


def name_of(key: str) -> str:
    """Return the name of the video under *key*: `a.b.mp4` is `a.b`; `sub/.mp4` and `x` stay."""
    folder, slash, file = key.rpartition("/")
    stem, dot, ending = file.rpartition(".")
    return f"{folder}{slash}{stem}" if stem and dot and ending else key


def fits(name: str) -> bool:
    """Tell whether S3 can hold all that a video of that name leads to."""
    return len((name + _LONGEST_SUFFIX).encode()) <= MAX_KEY_BYTES


def job_of(name: str, order: str) -> str:
    """Name one upload under one name: 26 of a-z and 2-7, so that it can be part of a device's."""
    digest = hashlib.sha256(f"{name}\n{order}".encode()).digest()
    return b32encode(digest).decode().lower()[:26]


def check_job(job: str) -> str:
    """Return *job* if it can be one.

    Raises:
        MessageError: It cannot.
    """
    if not _JOB.fullmatch(job):
        raise MessageError(f"job: {job[:60]!r} is not 26 of a-z and 2-7")
    return job


def device_of(job: str) -> str:
    """Name the virtual device whose camera the video is."""
    return f"video-{job}"


def frame_id(job: str, number: int) -> str:
    """Name the frame that a still is to the recognition."""
    return f"{job}-{number:0{DIGITS}}"


def frame_number(frame_id: str) -> int:
    """Read the still's number out of its frame's id.

    Raises:
        MessageError: It is no still's.
    """
    number = frame_id.rpartition("-")[2]
    if not (number.isascii() and number.isdigit()):
        raise MessageError(f"frame_id: {frame_id[:60]!r} is no still's")
    return int(number)


def still_folder(name: str) -> str:
    """Write what the keys of all stills of a video begin with."""
    return f"{name}/"


def still_key(name: str, number: int) -> str:
    """Write the key of a still in stage-1."""
    return f"{still_folder(name)}{number:0{DIGITS}}.jpg"


def still_number(name: str, key: str) -> int | None:
    """Read a still's number out of its key; None if *key* is no still of that video.

    Below the same folder may lie the stills of another: `x.mp4` and `x/y.mp4` are two videos.
    """
    digits = key.removeprefix(still_folder(name)).removesuffix(".jpg")
    if not (digits.isascii() and digits.isdigit()) or len(digits) < DIGITS:
        return None
    return int(digits) if still_key(name, int(digits)) == key else None


def poster_key(name: str) -> str:
    """Write the key of the one still, in stage-1, that stands for the video."""
    return f"{name}.jpg"


def json_key(name: str) -> str:
    """Write the key of everything that is known, in the output bucket."""
    return f"{name}.json"


def csv_key(name: str) -> str:
    """Write the key of the table of people, in the output bucket."""
    return f"{name}.csv"


def txt_key(name: str) -> str:
    """Write the key of the list of names, in the output bucket."""
    return f"{name}.txt"
