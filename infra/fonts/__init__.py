"""The font that people's names are drawn with: DejaVu Sans 2.37, unchanged.

It has Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew and Arabic letters; Pillow's own has those
of English alone. Its licence lies beside it.
"""

import functools
from pathlib import Path

from PIL import ImageFont

_FILE = Path(__file__).with_name("DejaVuSans.ttf")
_NO_LETTER = "\U0010ffff"  # belongs to nobody, and is drawn as all letters are that a font lacks


@functools.cache
def names(size: int) -> ImageFont.FreeTypeFont:
    """Give the font, its letters *size* pixels high."""
    return ImageFont.truetype(str(_FILE), size)


def has(text: str) -> bool:
    """Tell whether all of *text* can be drawn."""
    font = names(16)
    missing = bytes(font.getmask(_NO_LETTER))
    return all(bytes(font.getmask(each)) != missing for each in set(text) if not each.isspace())
