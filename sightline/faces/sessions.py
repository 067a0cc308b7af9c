"""ONNX Runtime sessions over network files that are what they claim to be."""

import functools
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from sightline.errors import ModelError

# ONNX's name of the element type, and the shape; a side that may differ has a name or None.
Signature = tuple[str, tuple[int | str | None, ...]]

# One class an error code, without a common base.
_ORT_ERRORS: tuple[type[Exception], ...] = tuple(
    error
    for error in vars(ort_errors).values()
    if isinstance(error, type) and issubclass(error, Exception)
)


class Session:
    """One network with one input and one output, ready to run. May be shared by threads."""

    def __init__(
        self, source: bytes | Path, *, name: str, threads: int = 1, keep_as: Path | None = None
    ) -> None:
        """Load an ONNX file, or a graph that ONNX Runtime has optimised (.ort).

        Args:
            source: The ONNX file's bytes; or a file's path, of which no copy stays in memory.
            name: What to call it in errors.
            threads: Processor cores to use.
            keep_as: Where to write the graph, optimised for this machine; None: nowhere.

        Raises:
            ModelError: ONNX Runtime cannot load it, or it has several inputs or outputs.
        """
        options = _options(threads)
        if isinstance(source, Path) and source.suffix == ".ort":  # there is nothing left to do
            options.add_session_config_entry("session.load_model_format", "ORT")
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        elif keep_as is not None:
            options.add_session_config_entry("session.save_model_format", "ORT")
            options.optimized_model_filepath = str(keep_as)
        try:
            self._session = ort.InferenceSession(
                source, options, providers=["CPUExecutionProvider"]
            )
        except _ORT_ERRORS as err:
            raise ModelError(f"{name} cannot be loaded: {_first_line(err)}") from err
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            found = f"{len(inputs)} inputs and {len(outputs)} outputs"
            raise ModelError(f"{name} is another network: it has {found}")
        self._input = inputs[0].name
        self.takes: Signature = inputs[0].type, tuple(inputs[0].shape)
        self.gives: Signature = outputs[0].type, tuple(outputs[0].shape)

    def run(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """The output for *batch*."""
        out: NDArray[np.float32] = self._session.run(None, {self._input: batch})[0]
        return out


def _options(threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Each session has a pool of its own; spinning, they fight for the cores and two threads
    # become slower than one.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # A memory plan is kept for every input shape ever seen, and ours never end.
    options.enable_mem_pattern = False
    _share_memory()
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.log_severity_level = 3
    return options


@functools.cache
def _share_memory() -> None:
    """Have all sessions take memory from one place: what one leaves free, the next one uses.

    A worker holds 15 MB less so, at the same speed. It grows by what is asked for, not by powers
    of two.
    """
    kind = ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    memory = ort.OrtMemoryInfo("Cpu", kind, 0, ort.OrtMemType.DEFAULT)
    as_asked = {"arena_extend_strategy": 1}
    ort.create_and_register_allocator(memory, ort.OrtArenaCfg(as_asked))


def _first_line(err: Exception) -> str:
    return (str(err).strip().splitlines() or [type(err).__name__])[0]


def read_checked(path: Path, sha256: str) -> bytes:
    """Read a network's file.

    Raises:
        ModelError: It is missing, cannot be read, or is another file.
    """
    try:
        data = path.read_bytes()
    except OSError as err:
        raise ModelError(f"{path} cannot be read: {err.strerror}") from err
    if hashlib.sha256(data).hexdigest() != sha256:
        raise _another(path, sha256)
    return data


def check(path: Path, sha256: str) -> None:
    """See that a network's file is the right one, without keeping it in memory.

    Raises:
        ModelError: It is missing, cannot be read, or is another file.
    """
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as err:
        raise ModelError(f"{path} cannot be read: {err.strerror}") from err
    if found != sha256:
        raise _another(path, sha256)


def _another(path: Path, sha256: str) -> ModelError:
    return ModelError(f"{path} is damaged or another file: its SHA-256 is not {sha256}")
