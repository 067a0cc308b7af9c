"""The steps of a pickle, by hand: what no pickler writes, and what would unfold."""

import pickle
import re
import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.imports.file_kinds import kind_of, read_named_vectors
from cloud.imports.limits import MAX_FILE_BYTES, MAX_STEPS
from sightline.errors import ConfigError


def _array(state: bytes, *, kind: bytes = b"f8") -> bytes:
    """Write an array whose state's last part is *state*."""
    return (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01%b" % state
    ).replace(b"DTYPE", b"cnumpy\ndtype\nU\x02" + kind + b"K\x00K\x01\x87R")


BY_HAND: dict[str, tuple[bytes, str]] = {
    "the registry of extensions": (b"\x80\x02\x82\x01.", "EXT1"),
    "the registry, 4 bytes": (b"\x80\x02\x84\x01\x00\x00\x00.", "EXT4"),
    "INST": (b"(S'true'\nios\nsystem\n.", "step INST"),
    "INST of an allowed name": (b"(S'f8'\ninumpy\ndtype\n.", "step INST"),
    "OBJ": (b"(cnumpy\ndtype\nU\x02f8o.", "step OBJ"),
    "NEWOBJ": (b"\x80\x02cnumpy\nndarray\nK\x04\x85\x81.", "step NEWOBJ"),
    "NEWOBJ_EX": (b"\x80\x04cnumpy\nndarray\nK\x04\x85}\x92.", "step NEWOBJ_EX"),
    "a name in two parts": (
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.",
        "names 'posix.system'",
    ),
    "a dotted name": (
        b"\x80\x04\x8c\x05numpy\x8c\x13ndarray.__class__.x\x93.",
        "names 'numpy.ndarray.__class__.x'",
    ),
    "a name with a path": (
        b"\x80\x04\x8c\x05numpy\x8c\x0fndarray.tofile.\x93.",
        "names 'numpy.ndarray.tofile.'",
    ),
    "a name that is no text": (b"\x80\x04K\x01K\x02\x93.", "no text"),
    "a call of an array": (b"\x80\x02]q\x00)R.", "no constructor"),
    "a call without a tuple": (b"\x80\x02cnumpy\ndtype\n]R.", "no constructor"),
    "a call of ndarray itself": (
        b"\x80\x02cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85R.",
        "not written as NumPy",
    ),
    "a buffer that a file is mapped to": (
        b"\x80\x02cnumpy.core.multiarray\nfromfile\nU\x01x\x85R.",
        "multiarray.fromfile'",
    ),
    "_reconstruct of another class": (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\ndtype\nK\x00\x85U\x01b\x87R.",
        "not written as NumPy",
    ),
    "_reconstruct of a large one": (
        (
            b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n"
            b"cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85U\x01b\x87R."
        ),
        "not written as NumPy",
    ),
    "bytes of any size": (
        b"\x80\x02c__builtin__\nbytes\nJ\xff\xff\xff\x7f\x85R.",
        "not written as NumPy",
    ),
    "a buffer that is no bytes": (
        b"\x80\x04cnumpy.core.numeric\n_frombuffer\n(K\x01K\x02)U\x01CtR.",
        "not written as NumPy",
    ),
    "a scalar of nothing": (
        b"\x80\x04cnumpy.core.multiarray\nscalar\n)R.",
        "not written as NumPy",
    ),
    "a type of nothing": (b"\x80\x04cnumpy\ndtype\n)R.", "not written as NumPy"),
    "a text of characters that there are not": (
        (
            b"\x80\x04cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\x02U1K\x00K\x01\x87R"
            b"C\x04\xff\xff\xff\x7f\x86R."
        ),
        "no text",
    ),
    "bytes of letters that are more": (
        _array(b"K\x01\x85DTYPE\x89X\x02\x00\x00\x00\xc4\x80tb."),
        "not written as NumPy",
    ),
    "another codec": (
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00bU\x03hex\x86R.",
        "not written as NumPy",
    ),
    "an array of objects": (_array(b"K\x01\x85DTYPE\x89]NatbK.", kind=b"O8"), "'O8'"),
    "state of a list": (b"\x80\x02]}b.", "sets the state"),
    "state of a name": (b"\x80\x02cnumpy\nndarray\n}b.", "sets the state"),
    "state twice": (
        _array(b"K\x00\x85DTYPE\x89U\x00tb(K\x01K\x00\x85DTYPE\x89U\x00tb."),
        "filled twice",
    ),
    "state of an array that is none": (_array(b"tb."), "not written as NumPy"),
    "a type with fields": (
        b"\x80\x02cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NU\x01aNtb.",
        "neither numbers nor text",
    ),
    "a type with an unknown order": (
        b"\x80\x02cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01^NNNtb.",
        "neither numbers nor text",
    ),
    "an array never filled": (
        (
            b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
            b"K\x00\x85U\x01b\x87R]U\x01aa\x86."
        ),
        "never filled",
    ),
    "terabytes": (
        _array(b"\x8a\x06\x00\x00\x00\x00\x00\x10\x85DTYPE\x89U\x08abcdefghtb."),
        "at most 10,240,000 fit",
    ),
    "terabytes by their product": (
        _array(b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x87DTYPE\x89U\x08abcdefghtb."),
        "at most 10,240,000 fit",
    ),
    "a negative side": (
        _array(b"J\xff\xff\xff\xff\x85DTYPE\x89U\x08abcdefghtb."),
        "no whole number",
    ),
    "too few bytes": (_array(b"K\x80\x85DTYPE\x89U\x08abcdefghtb."), "but has 8 bytes"),
    "a hundred dimensions": (
        _array(b"(" + b"K\x01" * 100 + b"tDTYPE\x89U\x08abcdefghtb."),
        "100 dimensions",
    ),
    "a persistent id": (b"\x80\x02U\x01xQ.", "in another file"),
    "a persistent id as text": (b"Px\n.", "PERSID"),
    "a buffer out of band": (b"\x80\x05\x97.", "NEXT_BUFFER"),
    "a text that claims gigabytes": (b"\x80\x04X\xff\xff\xff\x7fabc.", "only 4 remain"),
    "bytes that claim exabytes": (
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
        "only 4 remain",
    ),
    "a frame that claims exabytes": (
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",
        "a value is missing",
    ),
    "an integer of a million digits": (
        b"\x80\x02\x8b\xff\xff\x00\x00" + b"\x7f" * 65535 + b".",
        "150 digits",
    ),
    "an integer of text": (b"I" + b"9" * 100_000 + b"\n.", "4300 digits"),
    "a memo of gigabytes": (b"\x80\x02]r\xff\xff\xff\xff.", "not to be found"),
    "a memo that is not there": (b"\x80\x02h\x07.", "does not hold"),
    "a negative memo": (b"]p-1\n.", "not to be found"),
    "appended to a dict": (b"\x80\x02}K\x01a.", "no list"),
    "an item of a list": (b"\x80\x02]K\x01K\x02s.", "no dict"),
    "an odd dict": (b"\x80\x02(K\x01d.", "without a value"),
    "a key that is a list": (b"\x80\x02}]K\x01s.", "neither text nor number"),
    "a key that is a tuple": (b"\x80\x02})K\x01s.", "neither text nor number"),
    "a key of 33 bits": (
        b"\x80\x02}\x8a\x05\x00\x00\x00\x00\x01K\x01s.",
        "whole number of 32 bits",
    ),
    "a key far below zero": (
        b"\x80\x02}\x8a\x05\x00\x00\x00\x00\xffK\x01s.",
        "whole number of 32 bits",
    ),
    "a key that is a fraction": (
        b"\x80\x02}G" + struct.pack(">d", 2.0**-61) + b"K\x01s.",
        "whole number of 32 bits",
    ),
    "a key without end": (
        b"\x80\x02}G" + struct.pack(">d", float("inf")) + b"K\x01s.",
        "whole number of 32 bits",
    ),
    "large keys at once": (pickle.dumps({2**61 - 1: 1, 2**62 - 2: 2}), "whole number of 32 bits"),
    "a memo of 33 bits": (b"]p4294967296\n.", "too large"),
    "a reference of 33 bits": (b"]g4294967296\n.", "too large"),
    "nothing": (b"\x80\x02.", "a value is missing"),
    "a mark alone": (b"\x80\x02(.", "a value is missing"),
    "a mark within": (b"\x80\x02(K\x01(a.", "a value is missing"),
    "a mark that is missing": (b"\x80\x02K\x01t.", "a mark is missing"),
    "a pop of nothing": (b"\x80\x020.", "a value is missing"),
    "something left over": (b"\x80\x02K\x01K\x02.", "left over"),
    "no end": (b"\x80\x02]", "before seeing STOP"),
    "an unknown step": (b"\x80\x02\xff.", "unknown"),
    "a later protocol's step": (b"\x80\x06\x99.", "unknown"),
}


@pytest.mark.parametrize(("data", "why"), BY_HAND.values(), ids=BY_HAND)
def test_what_no_pickler_writes_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(why)):
        read_named_vectors(data)


BOMBS: dict[str, tuple[bytes, str]] = {
    "nested lists": (b"\x80\x02" + b"]" * 300_000 + b"a" * 299_999 + b".", "not to be found"),
    "nested tuples": (b"\x80\x02)" + b"\x85" * 300_000 + b".", "not to be found"),
    "nested dicts": (
        b"\x80\x02" + b"}K\x01" * 100_000 + b"N" + b"s" * 100_000 + b".",
        "not to be found",
    ),
    "a list in itself": (b"\x80\x02]q\x00h\x00a.", "not to be found"),
    "a dict in itself": (b"\x80\x02}q\x00U\x05namesh\x00sU\tencodingsh\x00s.", "not to be found"),
    "a billion laughs": (
        b"\x80\x02]("
        + b"K\x01" * 10
        + b"eq\x000"
        + b"".join(b"](" + b"h%c" % i * 10 + b"eq%c0" % (i + 1) for i in range(9))
        + b"h\x09h\x09\x86.",
        "not to be found",
    ),
    "one list behind many names": (
        b"\x80\x02]("
        + b"K\x01" * 9000
        + b"eq\x010}("
        + b"".join(b"U\x05%05dh\x01" % i for i in range(9000))
        + b"u.",
        "over 20,000 vectors",
    ),
    "one text encoded again and again": (
        b"\x80\x02T"
        + struct.pack("<i", 2**20)
        + b"x" * 2**20
        + b"q\x00]("
        + b"c_codecs\nencode\nh\x00U\x06latin1\x86R" * 100
        + b"e.",
        "unfold",
    ),
    "too many steps": (b"\x80\x02](" + b"N" * (MAX_STEPS + 1) + b"e.", "4,000,000 steps"),
}


@pytest.mark.parametrize(("data", "why"), BOMBS.values(), ids=BOMBS)
def test_what_would_unfold_is_refused_without_unfolding(data: bytes, why: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(why)):
        read_named_vectors(data)


def test_a_file_larger_than_any_class_is_refused() -> None:
    with pytest.raises(ConfigError, match="over 64 MB; split it"):
        kind_of(bytes(MAX_FILE_BYTES + 1))


_VECTORS = np.random.RandomState(1).standard_normal((3, 128))
_VALUES = (
    {"encodings": list(_VECTORS), "names": ["Ada", "Alan", "Grace"]},
    (np.array(["Ada", "Alan", "Grace"]), _VECTORS),
    {"Ada": _VECTORS[0].tolist(), "Alan": list(_VECTORS[1])},
)
WHOLE = [pickle.dumps(value, protocol) for value in _VALUES for protocol in (0, 2, 4, 5)]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(WHOLE),
    st.lists(st.tuples(st.integers(0, 2**16), st.binary(max_size=4)), max_size=4),
    st.floats(0, 1),
)
def test_no_damage_causes_an_error_but_ours(
    whole: bytes, damages: list[tuple[int, bytes]], kept: float
) -> None:
    data = bytearray(whole[: int(len(whole) * kept)])
    for place, by in damages:
        place %= len(data) + 1
        data[place : place + len(by)] = by
    with suppress(ConfigError):
        read_named_vectors(bytes(data))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([bytes([i]) for i in range(256)]), max_size=60))
def test_no_steps_cause_an_error_but_ours(steps: list[bytes]) -> None:
    with suppress(ConfigError):
        read_named_vectors(b"\x80\x04" + b"".join(steps) + b".")
