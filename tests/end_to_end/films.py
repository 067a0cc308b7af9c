"""Films for end-to-end tests, made once."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from infra.demo.clip import FRAMES_PER_S, Scene, frames
from infra.demo.rehearsal import KNOWN, STRANGER, portrait
from tests.cloud.videos.film_making import write_film

SIZE = (640, 360)
OPTIONS = {"preset": "veryfast", "crf": "23"}


def film_of(folder: Path, *names: str, seconds: float = 3) -> Path:
    """Make a film of 640×360 at ten frames a second, of whoever is named."""
    path = folder / f"{'-'.join(names).replace(' ', '').lower() or 'nobody'}.mp4"
    drawn = frames({name: portrait(name) for name in names}, (Scene(seconds=seconds, names=names),))
    small = (cv2.resize(image, SIZE, interpolation=cv2.INTER_AREA) for image, _ in drawn)
    pictures = (np.ascontiguousarray(image[..., ::-1], np.uint8) for image in small)
    return write_film(path, pictures, fps=FRAMES_PER_S, options=OPTIONS)


@pytest.fixture(scope="session")
def grace_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of Grace Hopper."""
    return film_of(tmp_path_factory.mktemp("films"), KNOWN)


@pytest.fixture(scope="session")
def stranger_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of somebody who is not enrolled."""
    return film_of(tmp_path_factory.mktemp("films"), STRANGER)


@pytest.fixture(scope="session")
def empty_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of a room with nobody in it."""
    return film_of(tmp_path_factory.mktemp("films"))
