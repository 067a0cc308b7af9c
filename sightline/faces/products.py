"""Products of many byte vectors with a few, which is what comparing a million faces comes to.

A quarter of the memory traffic of float32, and exact: whole numbers do not round. The graph is
made by `infra/export/products.py`.
"""

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.errors import ModelError

MODELS = Path(__file__).parent / "models"
FILE_NAME = "products.onnx"
ZERO = 128  # the byte that stands for nought in rows
LARGEST_COLUMN = 63  # 255 * 63 twice is within 16 bits, at which AVX2 without VNNI saturates

Bytes = NDArray[np.uint8]


def products(rows: Bytes, columns: NDArray[np.int8]) -> NDArray[np.int32]:
    """Multiply, on one core. May be called by several threads.

    Up to 16 columns take the same time: the kernels work on so many at once.

    Args:
        rows: (n, d) bytes that stand for -128 to 127, by `ZERO`.
        columns: (d, m), each number at most `LARGEST_COLUMN` in size.

    Returns:
        (n, m).

    Raises:
        ModelError: The graph's file is missing or damaged.
    """
    out: NDArray[np.int32] = _session().run(None, {"rows": rows, "columns": columns})[0]
    return out


def read_graph(folder: Path = MODELS) -> bytes:
    """Read the ONNX file, checked against the manifest beside it.

    Raises:
        ModelError: It is missing or damaged, or the manifest is.
    """
    manifest = folder / "manifest.json"
    try:
        digest = str(json.loads(manifest.read_bytes())[FILE_NAME]["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise ModelError(f"{manifest} is damaged: install sightline again") from err
    # Here, since small galleries never need it, nor ONNX Runtime.
    from sightline.faces.sessions import read_checked

    return read_checked(folder / FILE_NAME, digest)


@functools.cache
def _session() -> Any:
    # Here, since small galleries never need it.
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # it would keep a plan for every shape
    options.enable_cpu_mem_arena = False  # results are large and go at once
    options.log_severity_level = 3
    return ort.InferenceSession(read_graph(), options, providers=["CPUExecutionProvider"])
