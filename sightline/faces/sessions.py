"""ONNX Runtime sessions over network files that are what they claim to be."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from sightline.errors import ModelError

# One class an error code, without a common base.
_ORT_ERRORS: tuple[type[Exception], ...] = tuple(
    error
    for error in vars(ort_errors).values()
    if isinstance(error, type) and issubclass(error, Exception)
)


class Session:
    """One network with one input and one output, ready to run. May be shared by threads."""

    def __init__(self, data: bytes, *, name: str, threads: int = 1) -> None:
        """Load the ONNX file *data*.

        Args:
            data: The file's bytes.
            name: What to call it in errors.
            threads: Processor cores to use.

        Raises:
            ModelError: ONNX Runtime cannot load it.
        """
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Each session has a pool of its own; spinning, they fight for the cores and two threads
        # become slower than one.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # A memory plan is kept for every input shape ever seen, and ours never end.
        options.enable_mem_pattern = False
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except _ORT_ERRORS as err:
            raise ModelError(f"{name} cannot be loaded: {err}") from err
        self._input = self._session.get_inputs()[0].name

    def run(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """The output for *batch*."""
        out: NDArray[np.float32] = self._session.run(None, {self._input: batch})[0]
        return out


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
        raise ModelError(f"{path} is damaged or another file: its SHA-256 is not {sha256}")
    return data
