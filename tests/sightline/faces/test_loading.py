"""Loading in the background."""

import threading
from pathlib import Path

import numpy as np
import pytest

from sightline.errors import ModelError
from sightline.faces.engines import Engine
from sightline.faces.image import Frame
from sightline.faces.loading import Loading, load_recognizer
from sightline.faces.recognizer import Recognizer


def test_it_is_made_in_a_thread_of_its_own() -> None:
    assert Loading(threading.get_ident).result() != threading.get_ident()


def test_what_went_wrong_is_raised_where_it_is_waited_for() -> None:
    def fail() -> None:
        raise ModelError("no network")

    loading = Loading(fail)

    with pytest.raises(ModelError, match="no network"):
        loading.result()


def test_a_recognizer_is_the_same_however_it_was_loaded(
    engine: Engine, engine_folder: Path, recognizer: Recognizer, hopper: Frame
) -> None:
    loaded = load_recognizer("dlib", folder=engine_folder)

    [face], [expected] = loaded.see(hopper).faces, recognizer.see(hopper).faces
    assert loaded.engine.id == engine.id
    assert face.box == expected.box
    assert face.embedding is not None
    assert expected.embedding is not None
    np.testing.assert_array_equal(face.embedding, expected.embedding)


def test_a_missing_engine_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"\./run engines add facenet"):
        load_recognizer("facenet", folder=tmp_path)


def test_the_smallest_face_may_be_given(engine_folder: Path, engine: Engine, hopper: Frame) -> None:
    assert engine is not None  # its file is there
    large_only = load_recognizer("dlib", folder=engine_folder, smallest_face_px=400)

    assert large_only.see(hopper).faces == ()
