"""That the handler's bench serves real frames, and adds its parts up."""

import pytest

from infra.bench import handler
from sightline.faces.engines import prepare_engine


def test_the_parts_are_the_handlers_and_add_up() -> None:
    rows = handler.measure(engine="dlib", folder=prepare_engine("dlib").parent, frames=3)

    parts = {row.name: row.p50_ms for row in rows}
    assert {"decode", "detect", "embed", "match", "rest", "all but networks", "whole"} <= set(parts)
    assert 0 < parts["all but networks"] < parts["whole"]
    assert handler.overhead(rows) == pytest.approx(parts["all but networks"])
