"""Tiny ONNX graphs that stand in for networks of tens of megabytes."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from sightline.faces.cards import Card, write_card


def tiny_network(size: int, dimension: int, *, bias: float = 0.0, inputs: int = 1) -> bytes:
    """A network that takes chips of that size: each colour's mean, spread over the output."""
    weight = np.random.default_rng(3).normal(size=(3, dimension)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["chips"], ["a"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["a"], ["b"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["b", "w"], ["c"]),
        helper.make_node("Add", ["c", "bias"], ["embeddings"]),
    ]
    chips = [
        helper.make_tensor_value_info(name, TensorProto.UINT8, ["n", size, size, 3])
        for name in ("chips", "more")[:inputs]
    ]
    out = helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["n", dimension])
    constants = [
        numpy_helper.from_array(weight, "w"),
        numpy_helper.from_array(np.array([bias], np.float32), "bias"),
    ]
    graph = helper.make_graph(nodes, "tiny", chips, [out], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return bytes(model.SerializeToString())


def install(folder: Path, card: Card, data: bytes, id_: str) -> Path:
    """Put a network where `load_engine` looks for it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / card.file
    path.write_bytes(data)
    write_card(path, replace(card, id=id_, digest=hashlib.sha256(data).hexdigest()))
    return path
