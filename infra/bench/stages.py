"""How far each network is from what this machine's arithmetic allows.

A network's arithmetic is two operations a multiplication of the network as published (ours are
padded, which is ours to pay). The limit is what NumPy's matrix product reaches here, on one thread.
"""

import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import shape_inference

from sightline.faces.cache import cache_folder
from sightline.faces.detector import load_networks
from sightline.faces.engines import engine_card, load_engine
from sightline.faces.sessions import Session

_TURNS = 5

# Of MTCNN as published: outputs, inputs, kernel of each convolution, with the pooling after it.
_PNET = ((10, 3, 3, 2), (16, 10, 3, 0), (32, 16, 3, 0), (6, 32, 1, 0))
_RNET = ((28, 3, 3, 3), (48, 28, 3, 3), (64, 48, 2, 0))
_ONET = ((32, 3, 3, 3), (64, 32, 3, 3), (64, 64, 3, 2), (128, 64, 2, 0))
_RNET_DENSE, _ONET_DENSE = 128 * 576 + 6 * 128, 256 * 1152 + 16 * 256

Layers = Sequence[tuple[int, int, int, int]]


def convolutions(layers: Layers, height: int, width: int) -> int:
    """Operations of a chain of convolutions, without padding, over that many pixels."""
    operations = 0
    for outputs, inputs, kernel, pool in layers:
        height, width = height - kernel + 1, width - kernel + 1
        operations += 2 * outputs * inputs * kernel * kernel * height * width
        if pool:
            height, width = (-(-(side - pool) // 2) + 1 for side in (height, width))
    return operations


def pyramid(height: int, width: int, smallest_px: int) -> list[tuple[int, int]]:
    """Heights and widths that PNet sees of a frame of that size."""
    scale, sizes = 12 / smallest_px, []
    while min(height, width) * scale >= 12:
        sizes.append((int(height * scale + 1), int(width * scale + 1)))
        scale *= 0.709
    return sizes


def graph_operations(path: Path) -> int:
    """Operations of the convolutions and dense layers of an ONNX file, for one face."""
    model = shape_inference.infer_shapes(onnx.load(str(path)))
    graph = model.graph
    weights = {each.name: tuple(each.dims) for each in graph.initializer}
    sizes = {
        each.name: [dim.dim_value or 1 for dim in each.type.tensor_type.shape.dim]
        for each in (*graph.value_info, *graph.output)
    }
    operations = 0
    for node in graph.node:
        if node.op_type == "Conv":
            _, inputs, *kernel = weights[node.input[1]]
            operations += 2 * inputs * int(np.prod(kernel)) * int(np.prod(sizes[node.output[0]]))
        elif node.op_type in ("Gemm", "MatMul"):
            operations += 2 * int(np.prod(weights[node.input[1]]))
    return operations


def measured_stages(engine: str, folder: Path, seconds: float) -> list[dict[str, Any]]:
    """Name, GFLOP, GFLOP/s, share of the limit and ms of each network; the limit itself first.

    Args:
        engine: Its name.
        folder: Where it lies.
        seconds: How long, of processor time, each works in a turn; the best turn counts.
    """
    rng = np.random.default_rng(0)
    pnet, rnet, onet = load_networks()
    embedder = load_engine(engine, folder=folder)
    matrix = rng.standard_normal((2048, 2048), dtype=np.float32)
    small = rng.uniform(0, 255, (32, 3, 24, 24)).astype(np.float32)
    middle = rng.uniform(0, 255, (8, 3, 48, 48)).astype(np.float32)
    size = embedder.chip_size
    chip = rng.integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    base = engine.removesuffix("-int8")
    file = (folder or cache_folder()) / engine_card(base, folder).file
    work: list[tuple[str, float, Callable[[], object]]] = [
        ("matrix product, 2048", 2 * 2048**3, lambda: matrix @ matrix),
        (
            "RNet, 32 candidates",
            32 * (convolutions(_RNET, 24, 24) + 2 * _RNET_DENSE),
            lambda: rnet.run(small),
        ),
        (
            "ONet, 8 candidates",
            8 * (convolutions(_ONET, 48, 48) + 2 * _ONET_DENSE),
            lambda: onet.run(middle),
        ),
        (f"{engine}, one face", graph_operations(file), lambda: embedder.embed(chip)),
    ]
    for smallest in (20, 40):
        levels = pyramid(720, 1280, smallest)
        inputs = [rng.uniform(0, 255, (1, 3, *level)).astype(np.float32) for level in levels]
        operations = sum(convolutions(_PNET, *level) for level in levels)
        name = f"PNet, 1280×720 from {smallest} px"
        work.append((name, operations, functools.partial(_each, pnet, inputs)))
    best = [min(times) for times in zip(*_rounds([each[2] for each in work], seconds), strict=True)]
    peak = work[0][1] / best[0]
    return [
        {
            "name": name,
            "gflop": operations / 1e9,
            "ms": took * 1e3,
            "share": operations / took / peak,
            "gflops": operations / took / 1e9,
        }
        for (name, operations, _), took in zip(work, best, strict=True)
    ]


def _each(network: Session, inputs: Sequence[NDArray[np.float32]]) -> None:
    for one in inputs:
        network.run(one)


def _rounds(work: list[Callable[[], object]], seconds: float) -> list[list[float]]:
    """Processor seconds a call of each, in turns: what disturbs one disturbs all."""
    for each in work:
        each()
    return [[_a_call(each, seconds) for each in work] for _ in range(_TURNS)]


def _a_call(work: Callable[[], object], seconds: float) -> float:
    calls, began = 0, time.process_time()
    while calls == 0 or time.process_time() - began < seconds:
        work()
        calls += 1
    return (time.process_time() - began) / calls
