"""Draws the pictures of docs/console.md: `python -m infra.demo.console_pictures`.

They are drawings, not screenshots: the console changes its looks, and what is to be typed and seen
does not. Each stands on a card of its own, so that it is legible on a light page and a dark one.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

DOCS = Path(__file__).parents[2] / "docs"
SUBSCRIBE = "sightline/v1/+/results"
PUBLISH = "sightline/v1/front-door/frames"
KEY = "frames/front-door/test.jpg"
PAYLOAD = f'{{"key": "{KEY}"}}'
RESULT = (
    '{ "frame_id": "test", "device": "front-door", …',
    '  "faces": [ {',
    '      "decision": "known",',
    '      "person": { "id": "grace-hopper",',
    '                  "name": "Grace Hopper",',
    '                  "record": { "rank": "Rear Admiral" } },',
    '      "distance": 0.32, "threshold": 0.55 } ],',
    '  "timings_ms": { "fetch": 9.0, "detect": 24.0, … } }',
)

WIDTH = 1660  # twice what a README shows
_PAPER, _CARD, _EDGE = "#f4f6f8", "#ffffff", "#b8c2cc"
_INK, _SOFT, _ACCENT, _GOOD, _BAD = "#1d2733", "#5b6875", "#0b63b5", "#1b7f4b", "#b3371e"
_FIELD = "#eef3f8"
_TEXT, _SMALL, _HEAD = 29, 25, 36
_MARGIN, _PAD = 40, 28

Box = tuple[int, int, int, int]  # left, top, right, bottom, in pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Something to look at: what it is, the way to it, and the stack's output that links there."""

    title: str
    way: str
    output: str
    shows: str


PLACES = (
    Place(
        title="MQTT test client",
        way="IoT Core  ›  Test  ›  MQTT test client",
        output="TestClientLink",
        shows="subscribe and publish, as above",
    ),
    Place(
        title="Topic rule",
        way="IoT Core  ›  Message routing  ›  Rules",
        output="RuleLink",
        shows="is it enabled, and which function does it call?",
    ),
    Place(
        title="Function",
        way="Lambda  ›  Functions",
        output="FunctionLink",
        shows="image, memory, its environment, its errors",
    ),
    Place(
        title="Its log",
        way="CloudWatch  ›  Log groups",
        output="FunctionLogLink",
        shows="a line of JSON for each frame, never a picture",
    ),
    Place(
        title="Dashboard",
        way="CloudWatch  ›  Dashboards",
        output="DashboardLink",
        shows="frames, decisions, age of results, errors, cost",
    ),
    Place(
        title="Dead letters",
        way="SQS  ›  Queues  ›  Send and receive messages",
        output="DeadLettersLink",
        shows="what could not be served, and why",
    ),
)


def main() -> None:
    """Draw all into docs/, or the folder that is given."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS
    for name, picture in (("test-client", test_client()), ("places", places())):
        # Few colours: a palette is a third of the bytes.
        picture.quantize(64).save(folder / f"console-{name}.png", optimize=True)


def test_client() -> Image.Image:
    """The MQTT test client: what to subscribe to, what to publish, what is seen."""
    picture, draw = _paper(1150)
    _head(draw, "In the MQTT test client", "a drawing, not a screenshot")
    half = (WIDTH - 3 * _MARGIN) // 2
    left, right = _MARGIN, _MARGIN + half + _MARGIN
    _step(draw, (left, 110, left + half, 440), 1, "Subscribe to a topic")
    _field(draw, (left, 200, left + half, 0), "Topic filter", SUBSCRIBE)
    _button(draw, (left + _PAD, 350), "Subscribe")
    _step(draw, (left, 480, left + half, 960), 2, "Publish to a topic")
    _field(draw, (left, 570, left + half, 0), "Topic name", PUBLISH)
    _field(draw, (left, 715, left + half, 0), "Message payload", PAYLOAD)
    _button(draw, (left + _PAD, 866), "Publish")
    _step(draw, (right, 110, right + half, 960), 3, "See the answer, newest first")
    _write(draw, (right + _PAD, 205), "sightline/v1/front-door/results", _TEXT, _ACCENT)
    top = 265
    draw.rounded_rectangle((right + _PAD, top, right + half - _PAD, 720), 10, fill=_FIELD)
    for row, line in enumerate(RESULT):
        _write(draw, (right + _PAD + 20, top + 24 + row * 51), line, _SMALL, _INK, code=True)
    for row, line in enumerate(
        (
            "No answer, but one on  sightline/v1/+/errors ?",
            "Subscribe to that, too: it says what is wrong,",
            "such as  no_such_object : no picture has that key.",
        )
    ):
        _write(draw, (right + _PAD, 765 + row * 46), line, _SMALL, _SOFT)
    foot = (
        f"First put a picture there:  S3  ›  the media bucket  ›  Upload, as  {KEY}",
        "With Basic Ingest the frames of devices do not show here; their results do.",
    )
    for row, line in enumerate(foot):
        _write(draw, (_MARGIN, 1010 + row * 56), line, _TEXT, _INK if row == 0 else _SOFT)
    return picture


def places() -> Image.Image:
    """The way of a frame, and where each part of it is found in the console."""
    rows, top, height = len(PLACES), 345, 132
    picture, draw = _paper(top + rows * height + 40)
    _head(draw, "Where what is", "in blue: the output of the stack that links there")
    _flow(draw, 120)
    for row, place in enumerate(PLACES):
        y = top + row * height
        box = (_MARGIN, y, WIDTH - _MARGIN, y + height - 20)
        draw.rounded_rectangle(box, 14, fill=_CARD, outline=_EDGE, width=2)
        _number(draw, (_MARGIN + 58, y + 56), row + 1)
        _write(draw, (_MARGIN + 110, y + 18), place.title, _TEXT, _INK, bold=True)
        _write(draw, (_MARGIN + 110, y + 62), place.shows, _SMALL, _SOFT)
        _write(draw, (_MARGIN + 800, y + 18), place.way, _SMALL, _INK)
        _write(draw, (_MARGIN + 800, y + 62), place.output, _SMALL, _ACCENT, code=True)
    return picture


def _flow(draw: ImageDraw.ImageDraw, top: int) -> None:
    """Draw the way of a frame; the numbers are those of the places below."""
    parts = (("device", ""), ("topic rule", "2"), ("function", "3"), ("results", "1"))
    width, height = 250, 92
    gap = (WIDTH - 2 * _MARGIN - len(parts) * width) // (len(parts) - 1)
    for number, (name, where) in enumerate(parts):
        x = _MARGIN + number * (width + gap)
        box = (x, top, x + width, top + height)
        draw.rounded_rectangle(box, 14, fill=_CARD, outline=_ACCENT, width=3)
        _write(draw, (x + (78 if where else 28), top + 28), name, _TEXT, _INK, bold=True)
        if where:
            _number(draw, (x + 38, top + 46), int(where))
        if number:
            _arrow(draw, (x - gap + 10, top + height // 2), (x - 10, top + height // 2))
    middle, below = _MARGIN + 2 * (width + gap), top + height
    for x, to, text, colour in (
        (middle + 150, 4, "log", _GOOD),
        (middle + 330, 5, "dashboard", _GOOD),
        (middle - 190, 6, "dead letters: what fails", _BAD),
    ):
        centre = (x, below + 60)
        draw.line((middle + width // 2, below, x, below + 35), fill=colour, width=4)
        _number(draw, centre, to)
        left = x - 40 - round(draw.textlength(text, font=_font(_SMALL))) if to == 6 else x + 40
        _write(draw, (left, below + 46), text, _SMALL, colour)


def _paper(height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("RGB", (WIDTH, height), _PAPER)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, WIDTH - 1, height - 1), outline=_EDGE, width=2)
    return picture, draw


def _head(draw: ImageDraw.ImageDraw, title: str, remark: str) -> None:
    _write(draw, (_MARGIN, 34), title, _HEAD, _INK, bold=True)
    right = WIDTH - _MARGIN - draw.textlength(remark, font=_font(_SMALL))
    _write(draw, (round(right), 44), remark, _SMALL, _SOFT)


def _step(draw: ImageDraw.ImageDraw, box: Box, number: int, title: str) -> None:
    draw.rounded_rectangle(box, 14, fill=_CARD, outline=_EDGE, width=2)
    _number(draw, (box[0] + 52, box[1] + 46), number)
    _write(draw, (box[0] + 92, box[1] + 28), title, _TEXT, _INK, bold=True)


def _field(draw: ImageDraw.ImageDraw, box: Box, name: str, text: str) -> None:
    left, top, right, _ = box
    _write(draw, (left + _PAD, top), name, _SMALL, _SOFT)
    frame = (left + _PAD, top + 40, right - _PAD, top + 112)
    draw.rounded_rectangle(frame, 8, fill=_FIELD, outline=_EDGE, width=2)
    _write(draw, (left + _PAD + 18, top + 58), text, _TEXT, _INK, code=True)


def _button(draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str) -> None:
    x, y = at
    width = round(draw.textlength(text, font=_font(_TEXT))) + 56
    draw.rounded_rectangle((x, y, x + width, y + 62), 31, fill=_ACCENT)
    _write(draw, (x + 28, y + 13), text, _TEXT, "#ffffff", bold=True)


def _number(draw: ImageDraw.ImageDraw, centre: tuple[int, int], number: int) -> None:
    x, y = centre
    draw.ellipse((x - 25, y - 25, x + 25, y + 25), fill=_ACCENT)
    draw.text((x, y), str(number), font=_font(_TEXT), fill="#ffffff", anchor="mm")


def _arrow(draw: ImageDraw.ImageDraw, begin: tuple[int, int], end: tuple[int, int]) -> None:
    draw.line((*begin, *end), fill=_ACCENT, width=5)
    x, y = end
    draw.polygon(((x, y), (x - 20, y - 12), (x - 20, y + 12)), fill=_ACCENT)


def _write(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    size: int,
    colour: str,
    *,
    bold: bool = False,
    code: bool = False,
) -> None:
    """Write one line; *code* keeps its leading spaces as wide as letters."""
    x, y = at
    if code:
        kept = text.lstrip(" ")
        x += (len(text) - len(kept)) * size // 3
        text = kept
    draw.text((x, y), text, font=_font(size), fill=colour, stroke_width=1 if bold else 0,
              stroke_fill=colour)  # fmt: skip


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)  # Pillow carries it, so that it is the same everywhere


def texts() -> Sequence[str]:
    """What the pictures say is to be typed, for a test to hold it to the contract."""
    return (SUBSCRIBE, PUBLISH, PAYLOAD)


if __name__ == "__main__":
    main()
