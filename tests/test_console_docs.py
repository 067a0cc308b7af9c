"""docs/console.md and its pictures say what the contract and the template say."""

import re
from pathlib import Path

import pytest
from PIL import Image

from infra import template
from infra.demo import console_pictures
from sightline.messages import FrameCaptured, decode
from sightline.topics import every, parse

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "console.md").read_text(encoding="utf-8")
OUTPUTS = set(template.load()["Outputs"])


def test_every_link_that_the_page_and_the_pictures_name_is_an_output() -> None:
    named = set(re.findall(r"`(\w+Link)`", PAGE))

    assert {place.output for place in console_pictures.PLACES} <= named
    assert named == {name for name in OUTPUTS if name.endswith("Link")}


def test_what_is_to_be_typed_is_the_contracts() -> None:
    filter_, where, payload = console_pictures.texts()

    assert filter_ == every("results")
    device, channel = parse(where)
    assert channel == "frames"
    assert decode(FrameCaptured, payload.encode()).key.startswith(f"frames/{device}/")
    for text in (filter_, where, payload):
        assert text in PAGE


@pytest.mark.parametrize("name", re.findall(r"\]\((\S+\.png)\)", PAGE))
def test_a_picture_is_there_as_the_script_draws_it(name: str, tmp_path: Path) -> None:
    drawn = {
        "console-test-client.png": console_pictures.test_client,
        "console-places.png": console_pictures.places,
    }[name]()

    with Image.open(DOCS / name) as kept:
        # Not pixel by pixel: another version of Pillow draws letters a little otherwise.
        assert kept.size == drawn.size
        assert kept.width == console_pictures.WIDTH
    assert (DOCS / name).stat().st_size < 150_000
