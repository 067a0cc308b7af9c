"""What the tests of faces share: the real networks, loaded once, and two portraits."""

from pathlib import Path

import pytest

from sightline.faces.detector import Detector
from sightline.faces.engines import Engine, load_engine
from sightline.faces.image import Frame, decode
from sightline.faces.recognizer import Recognizer

PORTRAITS = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="session")
def detector() -> Detector:
    return Detector()


@pytest.fixture(scope="session")
def engine_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engines")


@pytest.fixture(scope="session")
def engine(engine_folder: Path) -> Engine:
    return load_engine("dlib", folder=engine_folder)


@pytest.fixture(scope="session")
def recognizer(detector: Detector, engine: Engine) -> Recognizer:
    return Recognizer(detector, engine)


@pytest.fixture(scope="session")
def hopper() -> Frame:
    return decode((PORTRAITS / "grace-hopper.jpg").read_bytes())


@pytest.fixture(scope="session")
def collins() -> Frame:
    return decode((PORTRAITS / "eileen-collins.png").read_bytes())
