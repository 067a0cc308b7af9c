"""What torch.save writes, where there is no torch; `tests/export` holds it against torch itself."""

import io
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.imports.file_kinds import kind_of, read_named_vectors
from cloud.imports.torch_file import is_torch
from sightline.errors import ConfigError
from tests.cloud.imports.torch_pickles import Id, Made, Named, pickled

GOLDEN = Path(__file__).parents[2] / "golden" / "imports"
NAMES = ("Ada Lovelace", "Alan Turing", "Ada Lovelace")


def expected() -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    vectors = np.random.RandomState(512).standard_normal((3, 512))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("file", "tolerance"),
    [
        ("own.pt", 1e-7),
        ("own-legacy.pt", 1e-7),
        ("views.pt", 1e-7),
        ("strided-legacy.pt", 1e-7),
        ("learnt.pt", 1e-7),
        ("half.pt", 1e-4),
    ],
)
def test_what_torch_saved_is_read(file: str, tolerance: float) -> None:
    data = (GOLDEN / file).read_bytes()

    read = read_named_vectors(data)

    assert kind_of(data) == "torch"
    assert read.names == NAMES
    assert read.engine == "facenet"
    np.testing.assert_allclose(read.vectors, expected(), atol=tolerance, rtol=0)
    np.testing.assert_allclose(np.linalg.norm(read.vectors, axis=1), 1, atol=1e-6)


def test_numbers_of_another_type_are_refused_with_what_to_give() -> None:
    with pytest.raises(ConfigError, match=r"BFloat16 numbers; give float32: embedding\.float"):
        read_named_vectors((GOLDEN / "bfloat16.pt").read_bytes())


def test_a_big_endian_machines_file_is_read() -> None:
    def swap(name: str, data: bytes) -> bytes:
        if "/data/" in name:
            return np.frombuffer(data, "<f4").astype(">f4").tobytes()
        return b"big" if name.endswith("byteorder") else data

    read = read_named_vectors(rewritten(swap))

    np.testing.assert_allclose(read.vectors, expected(), atol=1e-7, rtol=0)


def rewritten(
    change: Callable[[str, bytes], bytes | None], *, compression: int = zipfile.ZIP_STORED
) -> bytes:
    """Write the golden file again, each part as *change* gives it; None leaves it out."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(GOLDEN / "own.pt") as old,
        zipfile.ZipFile(file, "w", compression) as new,
    ):
        for name in old.namelist():
            part = change(name, old.read(name))
            if part is not None:
                new.writestr(name, part)
    return file.getvalue()


def storage(kind: str = "torch.FloatStorage", key: object = "0", count: object = 512) -> Id:
    return Id(("storage", Named(kind), key, "cuda:0", count))


def with_pickle(value: object) -> bytes:
    """Write a file whose storages are the golden one's, and whose pickle holds *value*."""
    data = pickled(value)
    return rewritten(lambda name, part: data if name.endswith("/data.pkl") else part)


def tensor(**changes: object) -> Made:
    parts = {"storage": storage(), "first": 0, "size": (1, 512), "stride": (512, 1)} | changes
    return Made(*parts.values(), False, {})


def test_a_tensor_that_was_on_a_graphics_card_is_read() -> None:
    read = read_named_vectors(with_pickle([[tensor()], ["Ada"]]))

    np.testing.assert_allclose(read.vectors, expected()[:1], atol=1e-7, rtol=0)


@pytest.mark.parametrize("step", [0, 3, 2**61, 2**62 - 1])
def test_the_step_of_a_side_of_one_is_of_no_matter(step: int) -> None:
    read = read_named_vectors(with_pickle([[tensor(stride=(step, 1))], ["Ada"]]))

    np.testing.assert_allclose(read.vectors, expected()[:1], atol=1e-7, rtol=0)


def test_a_parameter_of_a_network_is_a_tensor() -> None:
    row = Made(tensor(), True, {}, name="torch._utils._rebuild_parameter")

    read = read_named_vectors(with_pickle([[row], ["Ada"]]))

    np.testing.assert_allclose(read.vectors, expected()[:1], atol=1e-7, rtol=0)


def hooked() -> Made:
    return Made([("hook", 1)], name="collections.OrderedDict")


WRONG = {
    "an empty one": (tensor(size=(0, 512)), "has 0 numbers"),
    "hooks": ([hooked()], "has hooks"),
    "a parameter of nothing": (Made(name="torch._utils._rebuild_parameter"), "as torch writes"),
    "a storage that is called": (Made(7, name="torch.FloatStorage"), "as torch writes one"),
    "beyond its storage": (tensor(first=1), "beyond its storage"),
    "a stride beyond": (tensor(stride=(512, 2)), "beyond its storage"),
    "a stride of exabytes": (tensor(size=(1, 2, 256), stride=(0, 2**61, 1)), "beyond its storage"),
    "before its storage": (tensor(first=-1), "as torch writes one"),
    "a negative stride": (tensor(stride=(512, -1)), "no whole number"),
    "of terabytes": (tensor(size=(2**40, 512), stride=(0, 0)), "claims over"),
    "sizes without strides": (tensor(size=(1, 512), stride=(1,)), "as torch writes one"),
    "a storage that is none": (tensor(storage=[1.0]), "as torch writes one"),
    "an unknown storage": (tensor(storage=storage(key="7")), "data/7 is not in it"),
    "a way out of the zip": (tensor(storage=storage(key="../data.pkl")), "is not in it"),
    "a storage of exabytes": (tensor(storage=storage(count=2**62)), "the file is smaller"),
    "a storage of less": (tensor(storage=storage(count=-1)), "the file is smaller"),
    "a storage cut off": (tensor(storage=storage(count=513)), "cut off"),
    "integers": (tensor(storage=storage("torch.LongStorage")), "Long numbers"),
    "an id that is none": (tensor(storage=Id("0")), "as torch writes one"),
    "a module": (Named("torch.nn.modules.linear.Linear"), "it names"),
    "torch.load": (Named("torch.load"), "it names 'torch.load'"),
    "os.system": (Named("os.system"), "it names 'os.system'"),
    "a name instead of a tensor": (Named("torch.FloatStorage"), "no list of numbers"),
}


@pytest.mark.parametrize(("value", "why"), WRONG.values(), ids=WRONG)
def test_a_tensor_that_torch_would_not_write_is_refused(value: object, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        read_named_vectors(with_pickle([[value], ["Ada"]]))


def test_one_storage_read_for_every_name_in_the_zip_is_not_read_for_ever() -> None:
    """A small file whose parts overlap could else be any size."""
    with zipfile.ZipFile(io.BytesIO(rewritten(lambda _, part: part))) as archive:
        [root] = {name.split("/")[0] for name in archive.namelist()}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        ids = [tensor(storage=storage(key=str(i))) for i in range(50)]
        archive.writestr(f"{root}/data.pkl", pickled([ids, ["Ada"] * 50]))
        archive.writestr(f"{root}/data/0", bytes(2048))
        first = archive.getinfo(f"{root}/data/0")
        for number in range(1, 50):
            entry = zipfile.ZipInfo(f"{root}/data/{number}")
            entry.header_offset, entry.CRC = first.header_offset, first.CRC
            entry.file_size = entry.compress_size = first.file_size
            archive.filelist.append(entry)
            archive.NameToInfo[entry.filename] = entry
    data = file.getvalue()

    with pytest.raises(ConfigError):
        read_named_vectors(data)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda name, part: None if name.endswith("data.pkl") else part, "none that torch.save"),
        (lambda name, part: None if name.endswith("/data/1") else part, "data/1 is not in it"),
        (lambda name, part: part[:-4] if name.endswith("/data/1") else part, "cut off"),
    ],
)
def test_a_zip_that_lacks_a_part_is_refused(
    change: Callable[[str, bytes], bytes | None], why: str
) -> None:
    with pytest.raises(ConfigError, match=why):
        read_named_vectors(rewritten(change))


def test_a_compressed_zip_is_refused_for_it_may_unfold_to_anything() -> None:
    data = rewritten(lambda _, part: part, compression=zipfile.ZIP_DEFLATED)

    with pytest.raises(ConfigError, match="compressed or encrypted"):
        read_named_vectors(data)


def test_a_model_and_another_zip_are_told_for_what_they_are() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model/data.pkl", b"\x80\x02N.")
        archive.writestr("model/constants.pkl", b"\x80\x02N.")
    with pytest.raises(ConfigError, match=r"saved by torch\.jit"):
        read_named_vectors(file.getvalue())
    file = io.BytesIO()
    np.savez(file, a=np.ones(3))
    with pytest.raises(ConfigError, match=r"none that torch\.save wrote"):
        read_named_vectors(file.getvalue())


def test_the_oldest_tar_is_told_what_to_do() -> None:
    with pytest.raises(ConfigError, match="save it with a later one"):
        kind_of(bytes(257) + b"ustar\x00" + bytes(300))


LEGACY = (GOLDEN / "own-legacy.pt").read_bytes()


def test_a_part_of_a_storage_is_read_as_the_oldest_torch_wrote_it() -> None:
    """Before torch 0.4, a view named the storage that it is a part of."""
    row = expected()[0].astype("<f4")
    whole = np.concatenate([np.zeros(3, "<f4"), row])
    part = Id(("storage", Named("torch.FloatStorage"), "17", "cpu", 515, ("18", 3, 512)))
    data = (
        LEGACY[: LEGACY.index(b".") + 1]
        + pickled(1001)
        + pickled({"little_endian": True})
        + pickled([[tensor(storage=part)], ["Ada"]])
        + pickled(["17"])
        + struct.pack("<q", 515)
        + whole.tobytes()
    )

    read = read_named_vectors(data)

    np.testing.assert_allclose(read.vectors[0], row, atol=1e-7, rtol=0)


@pytest.mark.parametrize("kept", [40, 200, 400, 1000, len(LEGACY) - 1])
def test_a_legacy_file_that_is_cut_off_is_refused(kept: int) -> None:
    assert is_torch(LEGACY[:kept])
    with pytest.raises(ConfigError):
        read_named_vectors(LEGACY[:kept])


@pytest.mark.parametrize("keys", [["17"], "17", [17], None])
def test_a_legacy_file_whose_list_of_storages_is_none_is_refused(keys: object) -> None:
    data = (
        LEGACY[: LEGACY.index(b".") + 1]
        + pickled(1001)
        + pickled({})
        + pickled([["no tensors"], ["Ada"]])
        + pickled(keys)
        + bytes(100)
    )

    with pytest.raises(ConfigError, match="damaged"):
        read_named_vectors(data)


@pytest.mark.parametrize("part", [("18", -1, 512), ("18", 0), "18"])
def test_a_part_of_a_storage_that_is_none_is_refused(part: object) -> None:
    place = Id(("storage", Named("torch.FloatStorage"), "17", "cpu", 512, part))
    start = LEGACY[: LEGACY.index(b".") + 1] + pickled(1001) + pickled({})

    with pytest.raises(ConfigError, match="as torch writes one"):
        read_named_vectors(start + pickled([[tensor(storage=place)], ["Ada"]]))


def test_a_legacy_file_of_another_version_is_refused() -> None:
    with pytest.raises(ConfigError, match="a torch that is not known"):
        read_named_vectors(LEGACY[: LEGACY.index(b".") + 1] + pickled(1002))


FILES = [(GOLDEN / name).read_bytes() for name in ("views.pt", "own-legacy.pt")]


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(FILES),
    st.lists(st.tuples(st.integers(0, 2**16), st.binary(max_size=4)), max_size=4),
    st.floats(0, 1),
)
def test_no_damage_causes_an_error_but_ours(
    whole: bytes, damages: list[tuple[int, bytes]], kept: float
) -> None:
    data = bytearray(whole[: int(len(whole) * kept)] if kept < 0.5 else whole)
    for place, by in damages:
        place %= len(data) + 1
        data[place : place + len(by)] = by
    with suppress(ConfigError):
        read_named_vectors(bytes(data))
