"""Films for end-to-end tests, made once."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from infra.demo.clip import FRAMES_PER_S, Scene, frames
from infra.demo.rehearsal import KNOWN, STRANGER, portrait
from tests.cloud.videos.film_making import QUICK, write_film

SIZE = (640, 360)
OPTIONS = {"preset": "veryfast", "crf": "23"}


def film_of(
    folder: Path,
    *names: str,
    seconds: float = 3,
    size: tuple[int, int] = SIZE,
    options: Mapping[str, str] = OPTIONS,
) -> Path:
    """Make a film of ten frames a second, of whoever is named."""
    path = folder / f"{'-'.join(names).replace(' ', '').lower() or 'nobody'}.mp4"
    drawn = frames({name: portrait(name) for name in names}, (Scene(seconds=seconds, names=names),))
    resized = (cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image, _ in drawn)
    pictures = (np.ascontiguousarray(image[..., ::-1], np.uint8) for image in resized)
    return write_film(path, pictures, fps=FRAMES_PER_S, options=options)


@pytest.fixture(scope="session")
def grace_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of Grace Hopper."""
    return film_of(tmp_path_factory.mktemp("films"), KNOWN)


@pytest.fixture(scope="session")
def short_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of Grace Hopper, of which `every:1` takes one still."""
    return film_of(tmp_path_factory.mktemp("films"), KNOWN, seconds=1)


@pytest.fixture(scope="session")
def film_8k(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six frames of Grace Hopper, of 7680×4320."""
    folder = tmp_path_factory.mktemp("films")
    return film_of(folder, KNOWN, seconds=0.6, size=(7680, 4320), options=QUICK)


@pytest.fixture(scope="session")
def stranger_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of somebody who is not enrolled."""
    return film_of(tmp_path_factory.mktemp("films"), STRANGER)


@pytest.fixture(scope="session")
def empty_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of a room with nobody in it."""
    return film_of(tmp_path_factory.mktemp("films"))
