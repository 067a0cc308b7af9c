"""Graphs that ONNX Runtime has optimised once, kept beside the network's file.

Optimising takes longer than loading what came of it, and leaves more memory behind. What is kept
is laid out for one version of ONNX Runtime on one kind of processor, and is used on no other.

Loaded by its path: from bytes it is copied, and where it is not copied (`use_ort_model_bytes_…`)
ONNX Runtime 1.31 crashes when the session outlives the bytes or is taken down after them.
"""

import contextlib
import functools
import hashlib
import platform
from pathlib import Path
from secrets import token_hex

import onnxruntime as ort

from sightline.errors import ModelError
from sightline.faces.sessions import Session, check

FOLDER = "optimised"

_CPUINFO = Path("/proc/cpuinfo")
_FEATURES = ("flags", "Features")  # as x86 and as arm64 call them


def open_session(path: Path, sha256: str, *, name: str, threads: int = 1) -> Session:
    """Load the network in *path*, by its kept graph if there is a sound one.

    Where none is kept yet, it is made; where it cannot be written, all works without it.

    Args:
        path: The ONNX file.
        sha256: What its digest must be, in hex.
        name: What to call it in errors.
        threads: Processor cores to use.

    Raises:
        ModelError: Neither can be loaded.
    """
    stem = f"{path.stem}.{sha256[:12]}.{this_machine()}"
    for kept in _kept(path, stem):
        try:
            check(kept, kept.suffixes[-2][1:])
            return Session(kept, name=name, threads=threads)
        except ModelError:
            with contextlib.suppress(OSError):
                kept.unlink()
    check(path, sha256)
    folder = path.parent / FOLDER
    new = folder / f".{stem}.{token_hex(4)}"
    try:
        folder.mkdir(exist_ok=True)
        session = Session(path, name=name, threads=threads, keep_as=new)
        _keep(new, path, stem)
    except (OSError, ModelError):  # read-only, as in an image, or full
        session = Session(path, name=name, threads=threads)
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
    return session


@functools.cache
def this_machine() -> str:
    """Name what a kept graph depends on: ONNX Runtime's version and the processor's abilities."""
    features = ""
    with contextlib.suppress(OSError):
        for line in _CPUINFO.read_text().splitlines():
            word, _, rest = line.partition(":")
            if word.strip() in _FEATURES:
                features = " ".join(sorted(rest.split()))
                break
    facts = f"{ort.__version__} {platform.system()} {platform.machine()} {features}"
    return hashlib.sha256(facts.encode()).hexdigest()[:12]


def _kept(path: Path, stem: str) -> list[Path]:
    """Graphs of this network for this machine; each carries its own digest in its name."""
    return sorted((path.parent / FOLDER).glob(f"{stem}.*.ort"))


def _keep(new: Path, path: Path, stem: str) -> None:
    if _kept(path, stem):
        return  # another process was faster
    with new.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    final = new.with_name(f"{stem}.{digest}.ort")
    new.replace(final)
    # Those of weights that were here before. One that another process made of the same weights
    # meanwhile has other bytes, and stays: it may be about to be loaded.
    for former in new.parent.glob(f"{path.stem}.*.{this_machine()}.*.ort"):
        if not former.name.startswith(f"{stem}."):
            former.unlink(missing_ok=True)
