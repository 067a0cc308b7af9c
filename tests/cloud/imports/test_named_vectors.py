"""Names and embeddings that do not fit one another, or no network."""

import pickle

import numpy as np
import pytest

from cloud.imports.file_kinds import kind_of, read_named_vectors
from cloud.imports.named_vectors import NamedVectors
from sightline.errors import ConfigError

RANDOM = np.random.RandomState(7)
VECTORS = list(RANDOM.standard_normal((3, 128)))
NAMES = ["Ada", "Alan", "Grace"]


def with_one(vector: object, *, names: object = ("Ada", "Alan", "Grace", "Eve")) -> object:
    return {"encodings": [*VECTORS, vector], "names": list(names)}  # type: ignore[call-overload]


def changed(place: int, value: float) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    vector = VECTORS[0].copy()
    vector[place] = value
    return vector


BAD = {
    "nothing": ({"encodings": [], "names": []}, "there are no vectors"),
    "an empty pair": ([[], []], "there are no vectors"),
    "an empty dict": ({}, "not to be found"),
    "more names than vectors": (
        {"encodings": VECTORS, "names": [*NAMES, "Eve"]},
        "3 vectors, but 4 names",
    ),
    "more vectors than names": ({"encodings": VECTORS, "names": NAMES[:1]}, "3 vectors, but 1 nam"),
    "no names": ({"encodings": VECTORS}, "not to be found"),
    "two kinds of names": ({"encodings": VECTORS, "names": NAMES, "name": []}, "not to be found"),
    "names twice": ([NAMES, NAMES], "not to be found"),
    "vectors twice": ([VECTORS, VECTORS], "not to be found"),
    "three parts": ([VECTORS, NAMES, []], "not to be found"),
    "a text": ("Ada", "not to be found"),
    "a number": (7, "not to be found"),
    "vectors alone": (VECTORS, "not to be found"),
    "a vector of 127": (with_one(np.ones(127)), r"vector 3 \(Eve\) has 127 numbers"),
    "a vector of none": (with_one(np.ones(0)), r"vector 3 \(Eve\) has 0 numbers"),
    "a list of 127": (with_one([1.0] * 127), "has 127 numbers"),
    "a list without end": (with_one([1.0] * 5000), "has 513 numbers"),
    "a matrix of two": (with_one(np.ones((2, 64))), "has 2x64 numbers"),
    "a column": (with_one(np.ones((128, 1))), "has 128x1 numbers"),
    "a number for a vector": (with_one(np.array(1.0)), "has no numbers"),
    "two networks'": (with_one(np.ones(512)), "some vectors have 128 numbers and some 512"),
    "not a number": (with_one(changed(3, np.nan)), r"vector 3 \(Eve\) holds what is no finite"),
    "infinite": (with_one(changed(3, np.inf)), "no finite number"),
    "infinite below": (with_one(changed(3, -np.inf)), "no finite number"),
    "too large for float32": (with_one(changed(3, 1e300)), "no finite number"),
    "an integer without end": (with_one([10**400] + [1] * 127), "150 digits"),
    "an integer beyond floats": (with_one([2**511] * 128), "no finite number"),
    "zeros": (with_one(np.zeros(128)), r"vector 3 \(Eve\) is all zeros: no face was in it"),
    "texts": (with_one(["1.0"] * 128), "no list of numbers"),
    "a text for a vector": (with_one("1.0 2.0"), "no list of numbers"),
    "a list of lists": (with_one([[1.0], [2.0]]), "no list of numbers"),
    "truths": (with_one(np.ones(128, dtype=bool)), "no list of numbers"),
    "None": (with_one(None), "no list of numbers"),
    "a name that is a number": (
        with_one(VECTORS[0], names=[*NAMES, 7]),
        "no name but int",
    ),
    "a name that is bytes": (with_one(VECTORS[0], names=[*NAMES, b"Eve"]), "no name but bytes"),
    "a name that is a list": (with_one(VECTORS[0], names=[*NAMES, ["Eve"]]), "no name but no text"),
    "a name that is empty": (with_one(VECTORS[0], names=[*NAMES, " "]), "'' is no name"),
    "a name without a letter": (with_one(VECTORS[0], names=[*NAMES, "?!"]), "has no letter"),
    "a name that turns the line": (with_one(VECTORS[0], names=[*NAMES, "Eve\u202e"]), "is no name"),
    "a name of lines": (with_one(VECTORS[0], names=[*NAMES, "E\x00ve"]), "is no name"),
    "a name without end": (with_one(VECTORS[0], names=[*NAMES, "E" * 201]), "is no name"),
    "names that are vectors": ({"encodings": VECTORS, "names": VECTORS}, "name 0 is no name"),
    "by name, and no vector": ({"Ada": "Lovelace"}, "not to be found"),
    "by number": ({7: VECTORS[0]}, "name 0 is no name"),
    "too many": ({"encodings": np.ones((20_001, 128), np.float16), "names": NAMES}, "over 20,000"),
}


@pytest.mark.parametrize("protocol", [0, 5])
@pytest.mark.parametrize(("value", "why"), BAD.values(), ids=BAD)
@pytest.mark.filterwarnings("error")
def test_what_cannot_be_taken_is_said_with_where_it_is(
    value: object, why: str, protocol: int
) -> None:
    with pytest.raises(ConfigError, match=why):
        read_named_vectors(pickle.dumps(value, protocol))


def test_facenets_are_made_of_length_one_and_dlibs_left_as_they_are() -> None:
    facenet = RANDOM.standard_normal((1, 512)) * 3
    dlib = RANDOM.standard_normal((1, 128)) * 3

    read = read_named_vectors(pickle.dumps((["Ada"], facenet)))
    left = read_named_vectors(pickle.dumps((["Ada"], dlib)))

    assert (read.engine, left.engine) == ("facenet", "dlib")
    np.testing.assert_allclose(read.vectors, facenet / np.linalg.norm(facenet), rtol=1e-6)
    np.testing.assert_array_equal(left.vectors, dlib.astype(np.float32))
    assert read.all_of_length_one
    assert not left.all_of_length_one


def test_names_are_tidied_and_people_counted_by_likeness() -> None:
    names = ["Ada  Lovelace", "ada_lovelace", " Alan Turing"]

    read = read_named_vectors(pickle.dumps({"encodings": VECTORS, "names": names}))

    assert read.names == ("Ada Lovelace", "ada_lovelace", "Alan Turing")
    assert read.people == 2


def test_no_vector_is_shown_in_a_log() -> None:
    read = NamedVectors(names=("Ada",), vectors=np.full((1, 128), 0.125, np.float32))

    assert "0.125" not in repr(read)


@pytest.mark.parametrize(
    "text",
    [
        b"[]",
        b'{"a": 1}',
        b" \n[1]",
        b"\xef\xbb\xbf{}",
        b"name,major\nAda,maths",
        b"college,name\nMIT,Ada.",
        b"college\nMIT\n",
        b"(name),x\n",
        b"]",
        b"}",
        b"(",
        b"c",
        b"\xff\xd8\xff\xe0\x00\x10JFIF",
    ],
)
def test_text_is_no_pickle(text: bytes) -> None:
    assert kind_of(text) == "text"


def test_an_empty_file_is_said_to_be_empty() -> None:
    with pytest.raises(ConfigError, match="the file is empty"):
        kind_of(b"")
