"""What pictures along the time have alike: measures, colours, text, round times."""

from PIL import ImageDraw, ImageFont

Colour = tuple[int, int, int]

WIDTH, LEFT, RIGHT, TOP = 1400, 150, 40, 76  # px
INK, FAINT, GRID = (40, 40, 40), (120, 120, 120), (225, 225, 225)

_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21600)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Give Pillow's own font, which is the same everywhere."""
    return ImageFont.load_default(size)


def write(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    *,
    anchor: str = "la",
    size: int = 15,
    colour: Colour = INK,
) -> None:
    """Write *text*; *anchor* is Pillow's."""
    draw.text(at, text, colour, font(size), anchor=anchor)


def round_times(span_s: float) -> list[float]:
    """Give up to a dozen round times from 0 to *span_s*."""
    step = next((each for each in _STEPS_S if span_s / each <= 12), 86400)
    return [i * step for i in range(int(span_s / step + 1e-9) + 1)]
