"""InceptionResnetV1's weights -> ONNX, written for ONNX Runtime. Needs the package onnx.

The graph computes what facenet-pytorch's network computes in evaluation, up to rounding:

- batch normalisation is folded into the convolution, or dense layer, before it;
- the input's normalisation, (x - 127.5) / 128, is folded into the first convolution, which has no
  padding: it takes pixels;
- each residual block's scale is folded into the block's last convolution;
- the output is divided by its length, as `torch.nn.functional.normalize` does.

It is built here rather than traced, so that the same weights give the same bytes whatever torch
wrote them, and so that the exporter of torch and what it needs are not.

Source: facenet-pytorch 2.5.3, models/inception_resnet_v1.py.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from sightline.errors import ModelError

Weights = Mapping[str, NDArray[np.float64]]

SIZE, DIMENSION = 160, 512
_OPSET, _IR_VERSION = 17, 8  # what ONNX Runtime has read since 1.12
_EPSILON = 0.001  # of all batch normalisations
_SHORTEST = 1e-12  # a shorter output is not stretched to length 1


class _Graph:
    """ONNX nodes in the making; `x` is always a tensor's name."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def weight(self, name: str) -> NDArray[np.float64]:
        return self._weights[name].astype(np.float64)

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        array = np.ascontiguousarray(value, dtype=np.float32)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def convolution(
        self,
        x: str,
        weight: NDArray[np.float64],
        bias: NDArray[np.float64],
        *,
        stride: int = 1,
        pad: tuple[int, int] = (0, 0),
    ) -> str:
        return self.add(
            "Conv",
            x,
            self.constant(weight),
            self.constant(bias),
            kernel_shape=list(weight.shape[2:]),
            strides=[stride] * 2,
            pads=[*pad, *pad],
        )

    def normalised(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Factor and offset of a batch normalisation."""
        gain, shift = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        mean, variance = self.weight(f"{name}.running_mean"), self.weight(f"{name}.running_var")
        factor = gain / np.sqrt(variance + _EPSILON)
        return factor, shift - mean * factor

    def basic(
        self,
        x: str,
        name: str,
        stride: int = 1,
        pad: tuple[int, int] = (0, 0),
        *,
        first: bool = False,
    ) -> str:
        """`BasicConv2d`: convolution, batch normalisation, ReLU."""
        factor, bias = self.normalised(f"{name}.bn")
        weight = self.weight(f"{name}.conv.weight") * factor[:, None, None, None]
        if first:
            bias = bias - 127.5 / 128 * weight.sum(axis=(1, 2, 3))
            weight = weight / 128
        return self.add("Relu", self.convolution(x, weight, bias, stride=stride, pad=pad))

    def chain(self, x: str, name: str, *steps: tuple[int, tuple[int, int]]) -> str:
        """A branch of several `BasicConv2d`, each with its stride and padding."""
        for i, (stride, pad) in enumerate(steps):
            x = self.basic(x, f"{name}.{i}", stride, pad)
        return x

    def pool(self, x: str) -> str:
        return self.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])

    def residual(self, x: str, name: str, branches: list[str], scale: float, *, relu: bool) -> str:
        """A block's end: branches joined, scaled and added to its input."""
        weight, bias = self.weight(f"{name}.conv2d.weight"), self.weight(f"{name}.conv2d.bias")
        joined = self.add("Concat", *branches, axis=1)
        out = self.add("Add", self.convolution(joined, weight * scale, bias * scale), x)
        return self.add("Relu", out) if relu else out


_SAME3, _WIDE, _HIGH = (1, (1, 1)), (0, 3), (3, 0)
_NONE = (0, 0)


def _block35(g: _Graph, x: str, name: str) -> str:
    branches = [
        g.basic(x, f"{name}.branch0"),
        g.chain(x, f"{name}.branch1", (1, _NONE), _SAME3),
        g.chain(x, f"{name}.branch2", (1, _NONE), _SAME3, _SAME3),
    ]
    return g.residual(x, name, branches, 0.17, relu=True)


def _block17(g: _Graph, x: str, name: str) -> str:
    branches = [
        g.basic(x, f"{name}.branch0"),
        g.chain(x, f"{name}.branch1", (1, _NONE), (1, _WIDE), (1, _HIGH)),
    ]
    return g.residual(x, name, branches, 0.10, relu=True)


def _block8(g: _Graph, x: str, name: str, *, scale: float, relu: bool) -> str:
    branches = [
        g.basic(x, f"{name}.branch0"),
        g.chain(x, f"{name}.branch1", (1, _NONE), (1, (0, 1)), (1, (1, 0))),
    ]
    return g.residual(x, name, branches, scale, relu=relu)


def _stem(g: _Graph, x: str) -> str:
    x = g.basic(x, "conv2d_1a", 2, first=True)
    x = g.basic(x, "conv2d_2a")
    x = g.pool(g.basic(x, "conv2d_2b", 1, (1, 1)))
    x = g.basic(x, "conv2d_3b")
    x = g.basic(x, "conv2d_4a")
    return g.basic(x, "conv2d_4b", 2)


def _reduction_a(g: _Graph, x: str) -> str:
    branches = [
        g.basic(x, "mixed_6a.branch0", 2),
        g.chain(x, "mixed_6a.branch1", (1, _NONE), _SAME3, (2, _NONE)),
        g.pool(x),
    ]
    return g.add("Concat", *branches, axis=1)


def _reduction_b(g: _Graph, x: str) -> str:
    branches = [
        g.chain(x, "mixed_7a.branch0", (1, _NONE), (2, _NONE)),
        g.chain(x, "mixed_7a.branch1", (1, _NONE), (2, _NONE)),
        g.chain(x, "mixed_7a.branch2", (1, _NONE), _SAME3, (2, _NONE)),
        g.pool(x),
    ]
    return g.add("Concat", *branches, axis=1)


def _head(g: _Graph, x: str) -> str:
    x = g.add("Flatten", g.add("GlobalAveragePool", x))
    factor, shift = g.normalised("last_bn")
    dense = g.weight("last_linear.weight") * factor[:, None]
    x = g.add("Gemm", x, g.constant(dense), g.constant(shift), transB=1)
    length = g.add("ReduceL2", x, axes=[1], keepdims=1)
    return g.add("Div", x, g.add("Max", length, g.constant([[_SHORTEST]])))


def to_onnx(weights: Weights) -> bytes:
    """Turn a state dict of facenet-pytorch's InceptionResnetV1 into the bytes of an ONNX file.

    The same weights give the same bytes. Its input is (n, 160, 160, 3) uint8 RGB, its output
    (n, 512) float32, each row of length 1.

    Raises:
        ModelError: The weights are of another network.
    """
    g = _Graph(weights)
    try:
        x = g.add("Cast", "chips", to=TensorProto.FLOAT)
        x = _stem(g, g.add("Transpose", x, perm=[0, 3, 1, 2]))
        for i in range(5):
            x = _block35(g, x, f"repeat_1.{i}")
        x = _reduction_a(g, x)
        for i in range(10):
            x = _block17(g, x, f"repeat_2.{i}")
        x = _reduction_b(g, x)
        for i in range(5):
            x = _block8(g, x, f"repeat_3.{i}", scale=0.20, relu=True)
        _head(g, _block8(g, x, "block8", scale=1.0, relu=False))
    except KeyError as err:
        raise ModelError(f"these are the weights of another network: {err} is missing") from err
    except (ValueError, IndexError) as err:
        raise ModelError(f"these are the weights of another network: {err}") from err
    return _serialised(g)


def _serialised(g: _Graph) -> bytes:
    g.nodes[-1].output[0] = "embeddings"
    chips = helper.make_tensor_value_info("chips", TensorProto.UINT8, ["n", SIZE, SIZE, 3])
    out = helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["n", DIMENSION])
    graph = helper.make_graph(g.nodes, "inception-resnet-v1", [chips], [out], g.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])
    model.ir_version, model.producer_name = _IR_VERSION, "sightline"
    return bytes(model.SerializeToString(deterministic=True))
