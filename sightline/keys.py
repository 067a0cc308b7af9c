"""Keys in the media bucket, and the frame ids that they end with.

`frames/<device>/<yyyy>/<mm>/<dd>/<frame_id>.jpg`: the device stands first, so that an IAM policy
can hold each device to its own, and the day next, so that people find their way in the console.
Segments of recorded video lie likewise below `segments/`.
"""

import secrets
from datetime import datetime
from pathlib import PurePosixPath
from uuid import UUID

from sightline.topics import check_device

FRAMES = "frames"
SEGMENTS = "segments"
MAX_KEY_BYTES = 1024  # S3's own limit


def new_frame_id(at: datetime) -> str:
    """Make a UUIDv7: ids sort as the frames were taken, to the millisecond.

    Args:
        at: When the frame was taken, with its offset.

    Source: RFC 9562, section 5.7. (`uuid.uuid7` is in the standard library from Python 3.14 on.)
    """
    milliseconds = int(at.timestamp() * 1000) & (2**48 - 1)
    bits = milliseconds << 80 | 0x7 << 76 | secrets.randbits(12) << 64
    return str(UUID(int=bits | 0b10 << 62 | secrets.randbits(62)))


def frame_key(device: str, frame_id: str, captured_at: datetime) -> str:
    """Write the key under which a device stores a frame (day in UTC)."""
    return f"{FRAMES}/{check_device(device)}/{captured_at:%Y/%m/%d}/{frame_id}.jpg"


def segment_key(device: str, segment_id: str, begun_at: datetime) -> str:
    """Write the key under which a device stores a segment of video (day in UTC)."""
    return f"{SEGMENTS}/{check_device(device)}/{begun_at:%Y/%m/%d}/{segment_id}.mp4"


def stem(key: str) -> str:
    """Read the last name in *key*, without its ending: the frame's id, unless one is given."""
    return PurePosixPath(key).stem


def is_frame_of(device: str, key: str) -> bool:
    """Tell whether *key* is a plain one below `frames/<device>/`.

    Dots that would climb, empty levels and control characters are refused although S3 would take
    them literally: whatever copies keys to files or URLs later need not think of them again.
    """
    levels = key.split("/")
    return (
        levels[:2] == [FRAMES, device]
        and len(levels) > 2
        and not {"", ".", ".."} & set(levels)
        and key.isprintable()
        and "\\" not in key
        and len(key.encode()) <= MAX_KEY_BYTES
    )
