"""The contact sheet of a video: the stills that show best who is in it."""

from pathlib import Path

from PIL import Image

from infra.demo.contact_sheet import Tile, contact_sheet, spread
from infra.videos.buckets import Shelf
from infra.videos.result import StillSeen, VideoResult
from sightline.faces.image import decode

TILES = 16


def best_stills(result: VideoResult, most: int = TILES) -> tuple[StillSeen, ...]:
    """Choose up to *most* stills, in the order of the video.

    Each person's best one, then others with faces from all over the video; and if there are no
    faces at all, any.
    """
    ordered = sorted(result.sightings, key=lambda each: each.offset_s)
    best = {person.best_frame for person in result.people[:most]}
    chosen = {each.key: each for each in ordered if each.key in best}
    others = [each for each in ordered if each.faces and each.key not in best]
    if not chosen and not others:
        others = ordered
    chosen |= {each.key: each for each in spread(others, most - len(chosen))}
    return tuple(sorted(chosen.values(), key=lambda each: each.offset_s))


def sheet_of(result: VideoResult, stage: Shelf) -> Image.Image | None:
    """Draw the contact sheet of a video; None: not one still is there (any more).

    Raises:
        ConfigError: The bucket or the right to it is missing.
        TransportError: The stack is out of reach.
    """
    stills = ((each, stage.get(each.key)) for each in best_stills(result))
    tiles = [
        Tile(image=decode(data), faces=each.faces, caption=_caption(each))
        for each, data in stills
        if data is not None
    ]
    return contact_sheet(tiles) if tiles else None


def write_sheet(result: VideoResult, stage: Shelf, path: Path) -> Path | None:
    """Draw the contact sheet to *path*; see `sheet_of`."""
    picture = sheet_of(result, stage)
    if picture is None:
        return None
    picture.save(path)
    return path


def moment(offset_s: float) -> str:
    """Write a time in a video: 0:01.5, or 1:02:03.5."""
    tenths = round(offset_s * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    text = f"{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{text}" if hours else f"{minutes}:{text}"


def _caption(still: StillSeen) -> str:
    count = len(still.faces)
    return f"{moment(still.offset_s)}   {count} face{'' if count == 1 else 's'}"
