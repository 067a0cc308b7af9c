"""dlib's serialised face recognition network -> ONNX.

The file is a stream. An int is a byte, whose low nibble counts the bytes that follow and whose top
bit is the sign, and those bytes, little-endian; a string is its length and its bytes; a tensor is
the int 2, four dimensions and raw float32. The layers that hold anything stand in the order in
which data passes them, by name; what lies between (learning rates, sizes known from the tensors) is
skipped by looking for the next name. Needs the package onnx.

Source: dlib 19.7 and later, serialize.h, dnn/tensor.h, dnn/layers.h; the topology is that of
examples/dnn_face_recognition_ex.cpp.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from sightline.errors import ModelError

Weights = NDArray[np.float64]

_OPSET, _IR_VERSION = 17, 8  # fixed, as the file's digest is
_MEAN = np.array([122.782, 117.001, 104.298])  # of red, green, blue in training; then over 256
_NAME = re.compile(
    rb"\x01[\x03-\x0f](con_4|affine_|relu_|max_pool_2|avg_pool_2|add_prev_|fc_2)", re.DOTALL
)
_LAYERS = {b"con_4": 29, b"affine_": 29, b"relu_": 29, b"add_prev_": 14, b"fc_2": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer: its kind, its tensor (flat; empty if it has none) and the ints after the name."""

    kind: bytes
    values: Weights
    shape: tuple[int, ...]


class _Stream:
    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def integer(self) -> int:
        control = self._data[self.at]
        size = control & 0x0F
        value = int.from_bytes(self._data[self.at + 1 : self.at + 1 + size], "little")
        self.at += 1 + size
        return -value if control & 0x80 else value

    def tensor(self) -> Weights:
        if self.integer() != 2:
            raise ModelError("dlib's weights hold a tensor of another version")
        count = int(np.prod([self.integer() for _ in range(4)]))
        values = np.frombuffer(self._data, "<f4", count, self.at)
        self.at += 4 * count
        return values.astype(np.float64)

    def next_name(self) -> bytes | None:
        found = _NAME.search(self._data, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found[1]


def layers(data: bytes) -> Iterator[Layer]:
    """Read the layers, from the input to the output."""
    stream = _Stream(data)
    while (kind := stream.next_name()) is not None:
        values, shape = np.empty(0), tuple[int, ...]()
        if kind == b"con_4":
            values = stream.tensor()
            # filters, kernel's height and width, strides, paddings
            shape = tuple(stream.integer() for _ in range(7))
        elif kind == b"affine_":
            values = stream.tensor()
        elif kind == b"fc_2":
            shape = (stream.integer(), stream.integer())
            values = stream.tensor()
        elif kind in (b"max_pool_2", b"avg_pool_2"):
            shape = tuple(stream.integer() for _ in range(6))
        yield Layer(kind=kind, values=values, shape=shape)


class _Maps(NamedTuple):
    """What flows between two layers: (n, channels, side, side)."""

    name: str
    channels: int
    side: int


class _Graph:
    """ONNX nodes in the making."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: NDArray[Any], kind: type[Any] = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value.astype(kind), name))
        return name

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def convolution(self, x: _Maps, conv: Layer, affine: Layer, *, first: bool) -> _Maps:
        """A convolution, with the affine layer after it and the input's scaling folded in."""
        filters, rows, columns, stride, _, pad, _ = conv.shape
        weight = conv.values[:-filters].reshape(filters, x.channels, rows, columns)
        bias = conv.values[-filters:]
        gamma, beta = np.split(affine.values, 2)
        if first:  # it has no padding, so that the mean can be folded in too
            bias = bias - (weight.sum(axis=(2, 3)) * _MEAN).sum(axis=1) / 256
            weight = weight / 256
        weight, bias = weight * gamma[:, None, None, None], bias * gamma + beta
        shape = {"kernel_shape": [rows, columns], "strides": [stride] * 2, "pads": [pad] * 4}
        name = self.add("Conv", x.name, self.constant(weight), self.constant(bias), **shape)
        return _Maps(name, filters, (x.side + 2 * pad - rows) // stride + 1)

    def pool(self, op: str, x: _Maps, layer: Layer) -> _Maps:
        rows, columns, stride = layer.shape[:3]
        name = self.add(op, x.name, kernel_shape=[rows, columns], strides=[stride] * 2)
        return _Maps(name, x.channels, (x.side - rows) // stride + 1)

    def sum(self, x: _Maps, y: _Maps) -> _Maps:
        """Of maps of unlike shapes: dlib takes what is missing for zero."""
        channels, side = max(x.channels, y.channels), max(x.side, y.side)
        names = []
        for name, *shape in (x, y):
            if shape != [channels, side]:
                more = np.array([0] * 5 + [channels - shape[0]] + [side - shape[1]] * 2)
                name = self.add("Pad", name, self.constant(more, np.int64))
            names.append(name)
        return _Maps(self.add("Add", *names), channels, side)

    def model(self) -> Any:
        self.nodes[-1].output[0] = "embeddings"
        chips = helper.make_tensor_value_info("chips", TensorProto.UINT8, ["n", 150, 150, 3])
        out = helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["n", 128])
        graph = helper.make_graph(self.nodes, "dlib-resnet", [chips], [out], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])
        model.ir_version, model.producer_name = _IR_VERSION, "sightline"
        return model


def to_onnx(data: bytes) -> bytes:
    """Turn the bytes of dlib_face_recognition_resnet_model_v1.dat into those of an ONNX file.

    The same bytes in give the same bytes out. Its input is (n, 150, 150, 3) uint8 RGB, its output
    (n, 128) float32, not normalised.

    Raises:
        ModelError: These are not the weights, as far as their structure shows it.
    """
    strangers = "these are not the weights of dlib's face recognition network"
    try:
        found = list(layers(data))
        counts = {kind: sum(layer.kind == kind for layer in found) for kind in _LAYERS}
        if counts != _LAYERS:
            raise ModelError(strangers)
        return bytes(_build(found).model().SerializeToString(deterministic=True))
    except (ValueError, IndexError) as err:  # the stream ends, or a tensor has another size
        raise ModelError(strangers) from err


def _build(found: list[Layer]) -> _Graph:
    """Walk the layers: blocks of two convolutions, whose input is added to their output.

    Where a block shrinks its maps, its input is averaged before it is added.
    """
    graph = _Graph()
    cast = graph.add("Cast", "chips", to=TensorProto.FLOAT)
    x = _Maps(graph.add("Transpose", cast, perm=[0, 3, 1, 2]), 3, 150)
    shortcut = x
    for i, layer in enumerate(found):
        if layer.kind == b"con_4":
            x = graph.convolution(x, layer, found[i + 1], first=i == 0)
        elif layer.kind == b"relu_":
            x = x._replace(name=graph.add("Relu", x.name))
            if found[i - 1].kind == b"add_prev_":
                shortcut = x
        elif layer.kind == b"max_pool_2":
            x = shortcut = graph.pool("MaxPool", x, layer)
        elif layer.kind == b"avg_pool_2" and i + 2 < len(found):
            shortcut = graph.pool("AveragePool", shortcut, layer)
        elif layer.kind == b"avg_pool_2":  # the last one, of everything
            pooled = graph.add("GlobalAveragePool", x.name)
            x = x._replace(name=graph.add("Flatten", pooled))
        elif layer.kind == b"add_prev_":
            x = graph.sum(x, shortcut)
        elif layer.kind == b"fc_2":
            graph.add("MatMul", x.name, graph.constant(layer.values.reshape(256, 128)))
    return graph
