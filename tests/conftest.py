"""Fixtures that all folders share."""

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
DATA = PROJECT / "tests" / "data"


@pytest.fixture(scope="session")
def photographs() -> Path:
    """The folder of real photographs and clips, where there is one beside the project."""
    folder = PROJECT.parent / "shared" / "faces"
    if not folder.is_dir():
        if os.environ.get("SIGHTLINE_NO_SKIPS"):
            pytest.fail(f"there are no photographs at {folder}")
        pytest.skip(f"there are no photographs at {folder}")
    return folder
