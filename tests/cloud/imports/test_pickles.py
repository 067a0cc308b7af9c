"""Pickles: what face_recognition's users write is read, and nothing in any of them is run."""

import collections
import datetime
import io
import os
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cloud.imports.file_kinds import kind_of, read_named_vectors
from sightline.errors import ConfigError

GOLDEN = Path(__file__).parents[2] / "golden" / "imports"
NAMES = ["Ada Lovelace", "Alan Turing", "Ada Lovelace"]
VECTORS = np.random.RandomState(128).standard_normal((3, 128))
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

SHAPES: dict[str, object] = {
    "face_recognition's": {"encodings": list(VECTORS), "names": NAMES},
    "in the singular": {"encoding": list(VECTORS), "name": NAMES},
    "lists of floats": {"encodings": VECTORS.tolist(), "names": NAMES},
    "lists of NumPy's floats": {"encodings": [list(row) for row in VECTORS], "names": NAMES},
    "tuples": {"encodings": tuple(map(tuple, VECTORS.tolist())), "names": tuple(NAMES)},
    "one matrix": {"embeddings": VECTORS, "names": np.array(NAMES)},
    "in Fortran's order": {
        "embeddings": np.asfortranarray(VECTORS),
        "names": list(np.array(NAMES)),
    },
    "big-endian": {"embeddings": VECTORS.astype(">f8"), "names": NAMES},
    "rows (1, 128)": {"encodings": [row[np.newaxis] for row in VECTORS], "names": NAMES},
    "a pair": (NAMES, list(VECTORS)),
    "a pair, the other way": [list(VECTORS), NAMES],
    "a strided view": {"encodings": list(np.repeat(VECTORS, 2, axis=1)[:, ::2]), "names": NAMES},
    "other keys beside": {"encodings": list(VECTORS), "names": NAMES, "model": "hog", "n": 3},
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("value", SHAPES.values(), ids=SHAPES)
def test_names_and_vectors_are_found_in_every_shape_and_protocol(
    value: object, protocol: int
) -> None:
    data = pickle.dumps(value, protocol)

    given_ = read_named_vectors(data)

    assert kind_of(data) == "pickle"
    assert given_.names == tuple(NAMES)
    assert given_.engine == "dlib"
    assert given_.vectors.dtype == np.float32
    np.testing.assert_array_equal(given_.vectors, VECTORS.astype(np.float32))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_vector_or_several_may_stand_by_name(protocol: int) -> None:
    ada, alan, ada_too = VECTORS
    value = {"Ada": [ada, ada_too], "Alan": alan, "Grace": alan.tolist()}

    given_ = read_named_vectors(pickle.dumps(value, protocol))

    assert given_.names == ("Ada", "Ada", "Alan", "Grace")
    np.testing.assert_allclose(given_.vectors, [ada, ada_too, alan, alan], rtol=1e-6)


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.pickle")), ids=lambda file: file.stem)
def test_an_older_numpys_pickles_are_read(file: Path) -> None:
    given_ = read_named_vectors(file.read_bytes())

    assert given_.names == tuple(NAMES)
    np.testing.assert_array_equal(given_.vectors, VECTORS.astype(np.float32))


def test_python_2s_texts_are_read() -> None:
    """As its protocol 2 wrote them: plain strings, the array's bytes among them."""
    row = VECTORS[0].astype("<f8").tobytes()
    data = (
        b"\x80\x02}q\x00(U\tencodingsq\x01]q\x02cnumpy.core.multiarray\n_reconstruct\nq\x03"
        b"cnumpy\nndarray\nq\x04K\x00\x85q\x05U\x01bq\x06\x87q\x07Rq\x08(K\x01K\x80\x85q\tcnumpy\n"
        b"dtype\nq\nU\x02f8q\x0bK\x00K\x01\x87q\x0cRq\r(K\x03U\x01<q\x0eNNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tq\x0fb\x89T" + struct.pack("<i", len(row)) + row + b"q\x10tq\x11b"
        b"aU\x05namesq\x12]q\x13U\x03Adaq\x14au."
    )

    given_ = read_named_vectors(data)

    assert given_.names == ("Ada",)
    np.testing.assert_array_equal(given_.vectors[0], VECTORS[0].astype(np.float32))


def test_python_2s_escapes_are_read_without_a_warning() -> None:
    with pytest.raises(ConfigError, match="not to be found"):
        read_named_vectors(b"(lp0\nS'\\%'\np1\na.")


class _Calls:
    """Pickles to a call."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self._call


class _WithState:
    def __init__(self) -> None:
        self.x = 1


def _evil_calls(mark: Path) -> dict[str, object]:
    """Make values that, unpickled by Python itself, make the file *mark*."""
    touch, code = f"touch {mark}", f"open({str(mark)!r}, 'w').close()"
    return {
        "os.system": _Calls(os.system, touch),
        "subprocess": _Calls(subprocess.check_output, ["touch", str(mark)]),
        "eval": _Calls(eval, code),
        "exec": _Calls(exec, code),
        "open": _Calls(open, str(mark), "w"),
        "getattr": _Calls(getattr, _Calls(__import__, "os"), "system"),
        "a bound method": _Calls(mark.touch),
        "pickle in pickle": _Calls(pickle.loads, pickle.dumps(_Calls(os.system, touch))),
        "numpy.load": _Calls(np.load, str(mark)),
        "numpy.fromfile": _Calls(np.fromfile, str(mark)),
        "numpy.save": _Calls(np.save, str(mark), 1),
        "a class": _Calls(_WithState),
        "state": _WithState(),
        "a date": datetime.date(2026, 11, 21),
        "a set": {1, 2},
        "a frozen set": frozenset((1, 2)),
        "a complex number": 1j,
        "a default dict": collections.defaultdict(list),
        "a type": int,
        "bytearrays' maker": bytearray(b"ab"),
        "objects": np.array([_Calls(os.system, touch)], dtype=object),
        "a record array": np.zeros(2, dtype=[("a", "f4"), ("b", "f4")]),
        "a memory map's kind": np.ma.masked_array([1.0]),
        "times": np.array(["2026-11-21"], dtype="datetime64[D]"),
        "a random generator": np.random.RandomState(1),
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("what", _evil_calls(Path("x")))
def test_whatever_is_no_plain_value_is_refused_and_nothing_is_run(
    what: str, protocol: int, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    evil = _evil_calls(mark)[what]
    data = pickle.dumps({"encodings": [evil, *VECTORS], "names": ["Eve", *NAMES]}, protocol)
    modules = set(sys.modules)

    with pytest.raises(ConfigError):
        read_named_vectors(data)

    assert not mark.exists()
    assert set(sys.modules) == modules


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_call_alone_is_known_for_a_pickle_and_refused(protocol: int, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    data = pickle.dumps(_evil_calls(mark)["os.system"], protocol)

    assert kind_of(data) == "pickle"
    with pytest.raises(ConfigError, match="it names"):
        read_named_vectors(data)
    assert not mark.exists()


@pytest.mark.parametrize("value", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("protocol", [0, 1])
def test_a_pickle_without_a_mark_of_its_own_is_known(value: object, protocol: int) -> None:
    assert kind_of(pickle.dumps(value, protocol)) == "pickle"


def test_the_refusal_names_what_the_file_wanted() -> None:
    with pytest.raises(ConfigError, match=r"nothing of it was run: it names 'posix\.system'"):
        read_named_vectors(pickle.dumps(_Calls(os.system, "true")))
    with pytest.raises(ConfigError, match="elements of the type 'O8'"):
        read_named_vectors(pickle.dumps(np.array([None])))


def test_what_python_itself_would_run_is_what_the_tests_refuse(tmp_path: Path) -> None:
    """The bait bites: else the tests above would show nothing."""
    mark = tmp_path / "ran"
    pickle.load(io.BytesIO(pickle.dumps(_evil_calls(mark)["open"]))).close()  # noqa: S301
    assert mark.exists()
