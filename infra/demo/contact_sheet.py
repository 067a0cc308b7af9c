"""One picture of many frames, with what was decided drawn into them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from infra import fonts
from sightline.messages import Face

_COLOURS = {  # RGB
    "known": (46, 204, 113),
    "unknown": (231, 76, 60),
    "unsure": (241, 196, 15),
    "too_small": (149, 165, 166),
    "blurred": (149, 165, 166),
}
_TILE_WIDTH, _BAR = 420, 30

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A frame, what was decided about its faces, and a caption."""

    image: NDArray[np.uint8]  # (h, w, 3), RGB
    faces: tuple[Face, ...]
    caption: str


def spread(items: Sequence[T], most: int) -> list[T]:
    """Choose up to *most* of *items*, evenly from the first to the last."""
    if most < 1 or not items:
        return []
    places = np.linspace(0, len(items) - 1, most).round().astype(int)
    return [items[place] for place in np.unique(places)]


def contact_sheet(tiles: Sequence[Tile], *, columns: int = 4) -> Pillow.Image:
    """Lay *tiles* out in rows; an empty sheet says so."""
    drawn = [_draw(tile) for tile in tiles]
    if not drawn:
        drawn = [
            _draw(Tile(image=np.zeros((720, 1280, 3), np.uint8), faces=(), caption="no frames"))
        ]
    columns = min(columns, len(drawn))
    rows = math.ceil(len(drawn) / columns)
    height = max(tile.height for tile in drawn)
    sheet = Pillow.new("RGB", (columns * _TILE_WIDTH, rows * height), "white")
    for i, tile in enumerate(drawn):
        sheet.paste(tile, (i % columns * _TILE_WIDTH, i // columns * height))
    return sheet


def _draw(tile: Tile) -> Pillow.Image:
    scale = _TILE_WIDTH / tile.image.shape[1]
    size = (_TILE_WIDTH, round(tile.image.shape[0] * scale))
    small = cv2.resize(tile.image, size, interpolation=cv2.INTER_AREA)
    picture = Pillow.new("RGB", (size[0], size[1] + _BAR), "white")
    picture.paste(Pillow.fromarray(small), (0, 0))
    draw = ImageDraw.Draw(picture)
    font = fonts.names(13)
    for face in tile.faces:
        x, y, width, height = (round(side * scale) for side in face.box)
        colour = _COLOURS[face.decision]
        draw.rectangle((x, y, x + width, y + height), outline=colour, width=2)
        # Under the face, but within the picture.
        words = _words(face)
        left = max(4, min(x, size[0] - round(draw.textlength(words, font)) - 4))
        _label(draw, (left, min(y + height + 2, size[1] - 18)), words, colour, font)
    draw.text((8, size[1] + 7), tile.caption, fill=(40, 40, 40), font=font)
    return picture


def _words(face: Face) -> str:
    who = face.decision.replace("_", " ")
    if face.person is not None:
        who = face.person.name if fonts.has(face.person.name) else face.person.id
    return who if face.distance is None else f"{who} {face.distance:.2f}"


def _label(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    colour: tuple[int, int, int],
    font: ImageFont.FreeTypeFont,
) -> None:
    left, top, right, bottom = draw.textbbox(at, text, font=font)
    draw.rectangle((left - 2, top - 2, right + 2, bottom + 2), fill=(20, 20, 20))
    draw.text(at, text, fill=colour, font=font)
