"""Turn facenet-pytorch's MTCNN weights into the ONNX graphs that `sightline.faces` runs.

    python -m infra.export.mtcnn sightline/faces/models

Needs torch, numpy, onnx, onnxruntime and the files of facenet-pytorch 2.5.3, whose wheel carries
the weights. torchvision is not needed: only the three state dicts are read, never the package.

The graphs compute what the published networks compute, up to rounding, but are written for ONNX
Runtime, which falls off its blocked (NCHWc) path on channel counts that are no multiple of 8 and
on PReLU, and then spends a third of its time in PReLU alone:

- channels are padded with zeros to multiples of 8;
- prelu(x) is written x + (1 - a) * relu(-x), as two depthwise 1x1 convolutions and a sum. Some
  slopes are above 1 and many are negative, so max(x, a * x) would be wrong;
- PNet's first PReLU, over which a third of its memory traffic went, comes after the pooling that
  follows it, on a quarter of the numbers (see `Graph.conv_pool_prelu`);
- the input's normalisation, (x - 127.5) / 128, is folded into the first convolution, which has no
  padding: the input is the mean of pixels, 0 to 255;
- the two classes' softmax is left out and its heads are merged into one: the first output is the
  logit difference (face minus not a face), whose sigmoid is the probability;
- the permutation before the first dense layer is folded into that layer's weights.

Every graph is run against a plain torch forward pass before it is written.
"""

import argparse
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from infra.export.manifest import ship
from infra.export.mtcnn_in_torch import (
    State,
    onet_in_torch,
    pnet_in_torch,
    published,
    rnet_in_torch,
)

Weights = dict[str, NDArray[np.float64]]

SOURCE = "facenet-pytorch 2.5.3 (PyPI), facenet_pytorch/data/{}.pt"
OPSET, IR_VERSION = 17, 8  # what ONNX Runtime has read since 1.12
TOLERANCE = 2e-5  # on logits and regressions of order 1 to 10, float32 against float32


class Graph:
    """An ONNX graph in the making: a chain whose end is `at`."""

    def __init__(self, name: str, weights: Weights, input_shape: list[str | int]) -> None:
        self.name, self.weights = name, weights
        self.at = "pixels"
        self._input = helper.make_tensor_value_info(self.at, TensorProto.FLOAT, input_shape)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def _constant(self, value: NDArray[np.float64]) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(value.astype(np.float32), name))
        return name

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Append a node to what is `at`; further *inputs* follow it."""
        out = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, [self.at, *inputs], [out], **attributes))
        self.at = out
        return out

    def conv(self, weight: NDArray[np.float64], bias: NDArray[np.float64], group: int = 1) -> str:
        """Append a convolution of stride 1 without padding."""
        kernel = list(weight.shape[2:])
        return self.add(
            "Conv", self._constant(weight), self._constant(bias), kernel_shape=kernel, group=group
        )

    def conv_prelu(self, number: int, *, first: bool = False) -> None:
        """Append the network's convolution and PReLU of that *number*, rewritten."""
        weight, bias = self._folded(number) if first else self._published(number)
        slope = self.weights[f"prelu{number}.weight"]
        out_pad = -len(weight) % 8
        in_pad = 0 if first else -weight.shape[1] % 8
        weight = np.pad(weight, ((0, out_pad), (0, in_pad), (0, 0), (0, 0)))
        bias, slope = np.pad(bias, (0, out_pad)), np.pad(slope, (0, out_pad))

        n = len(weight)
        x = self.conv(weight, bias)
        self.conv(-np.ones((n, 1, 1, 1)), np.zeros(n), group=n)
        self.add("Relu")
        self.conv((1 - slope).reshape(n, 1, 1, 1), np.zeros(n), group=n)
        self.add("Add", x)

    def conv_pool_prelu(self, number: int, size: int) -> None:
        """Append the first convolution, of that *number*, the pooling, and then its PReLU.

        A PReLU of slope a >= 0 rises, so it may as well follow the maximum p. One of a < 0 is
        max(x, a x), so what is needed is the greater of the maxima of x and of a x: the
        convolution gives a x, too, in the channels that would only be padding. With q the maximum
        of a x, what is then to be computed is p + (1 - a) relu(-p) or p + relu(q - p): a dense 1x1
        convolution, a depthwise one and a sum.
        """
        weight, bias = self._folded(number)
        slope = self.weights[f"prelu{number}.weight"]
        falling = np.flatnonzero(slope < 0)
        n, twins = len(slope), slope[falling]
        if (n + len(falling)) % 8:
            raise SystemExit(
                f"prelu{number}: {len(falling)} slopes below 0 do not fill the padding"
            )
        self.conv(
            np.concatenate([weight, weight[falling] * twins[:, None, None, None]]),
            np.concatenate([bias, bias[falling] * twins]),
        )
        self.pool(size)
        pooled, width = self.at, n + len(falling)
        difference, share = np.zeros((width, width, 1, 1)), np.zeros((width, 1, 1, 1))
        difference[range(n), range(n)] = -1
        difference[falling, range(n, width)] = 1
        share[:n, 0, 0, 0] = np.where(slope < 0, 1, 1 - slope)
        self.conv(difference, np.zeros(width))
        self.add("Relu")
        self.conv(share, np.zeros(width), group=width)
        self.add("Add", pooled)  # q is left in the last channels, which the next layer ignores

    def _published(self, number: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self.weights[f"conv{number}.weight"], self.weights[f"conv{number}.bias"]

    def _folded(self, number: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The same for pixels from 0 to 255, instead of (x - 127.5) / 128."""
        weight, bias = self._published(number)
        return weight / 128, bias - 127.5 / 128 * weight.sum(axis=(1, 2, 3))

    def pool(self, size: int) -> None:
        """Append a maximum over *size* x *size*, of stride 2, rounding up."""
        self.add("MaxPool", kernel_shape=[size, size], strides=[2, 2], ceil_mode=1)

    def dense_prelu(self, number: int, side: int) -> None:
        """Append the dense layer of that *number* over maps of *side* x *side*, and its PReLU."""
        weight = self.weights[f"dense{number}.weight"]
        # facenet-pytorch flattens (n, w, h, c); ONNX's Flatten gives (n, c, h, w).
        weight = weight.reshape(len(weight), side, side, -1).transpose(0, 3, 2, 1)
        weight = weight.reshape(len(weight), -1)
        self.add("Flatten")
        bias = self.weights[f"dense{number}.bias"]
        self.add("Gemm", self._constant(weight), self._constant(bias), transB=1)
        self.add("PRelu", self._constant(self.weights[f"prelu{number}.weight"]))

    def heads(self, *names: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Merge the heads of those *names*, of which the first is the classes', into one."""
        classes = self.weights[f"{names[0]}.weight"], self.weights[f"{names[0]}.bias"]
        weight = [(classes[0][1] - classes[0][0])[None]]
        bias = [(classes[1][1] - classes[1][0])[None]]
        for name in names[1:]:
            weight.append(self.weights[f"{name}.weight"])
            bias.append(self.weights[f"{name}.bias"])
        return np.concatenate(weight), np.concatenate(bias)

    def dense_heads(self, *names: str) -> None:
        """Append the merged heads as one dense layer."""
        weight, bias = self.heads(*names)
        self.add("Gemm", self._constant(weight), self._constant(bias), transB=1)

    def model(self, output_shape: list[str | int]) -> Any:
        """The whole, checked, with the end of the chain as its output."""
        self._nodes[-1].output[0] = "out"
        output = helper.make_tensor_value_info("out", TensorProto.FLOAT, output_shape)
        graph = helper.make_graph(
            self._nodes, self.name, [self._input], [output], initializer=self._constants
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = IR_VERSION
        model.producer_name = "sightline"
        onnx.checker.check_model(model, full_check=True)
        return model


def pnet(weights: Weights) -> Any:
    """(n, 3, h, w) -> (n, 5, h', w'): logit difference, box regression."""
    g = Graph("pnet", weights, ["n", 3, "h", "w"])
    g.conv_pool_prelu(1, 2)
    g.conv_prelu(2)
    g.conv_prelu(3)
    g.conv(*g.heads("conv4_1", "conv4_2"))
    return g.model(["n", 5, "h2", "w2"])


def rnet(weights: Weights) -> Any:
    """(n, 3, 24, 24) -> (n, 5): logit difference, box regression."""
    g = Graph("rnet", weights, ["n", 3, 24, 24])
    g.conv_prelu(1, first=True)
    g.pool(3)
    g.conv_prelu(2)
    g.pool(3)
    g.conv_prelu(3)
    g.dense_prelu(4, side=3)
    g.dense_heads("dense5_1", "dense5_2")
    return g.model(["n", 5])


def onet(weights: Weights) -> Any:
    """(n, 3, 48, 48) -> (n, 15): logit difference, box regression, five x, five y."""
    g = Graph("onet", weights, ["n", 3, 48, 48])
    g.conv_prelu(1, first=True)
    g.pool(3)
    g.conv_prelu(2)
    g.pool(3)
    g.conv_prelu(3)
    g.pool(2)
    g.conv_prelu(4)
    g.dense_prelu(5, side=3)
    g.dense_heads("dense6_1", "dense6_2", "dense6_3")
    return g.model(["n", 15])


NETWORKS: dict[str, tuple[Callable[[Weights], Any], Callable[..., torch.Tensor], tuple[int, ...]]]
NETWORKS = {
    "pnet": (pnet, pnet_in_torch, (1, 3, 61, 87)),
    "rnet": (rnet, rnet_in_torch, (64, 3, 24, 24)),
    "onet": (onet, onet_in_torch, (64, 3, 48, 48)),
}


def check(data: bytes, reference: Callable[..., torch.Tensor], state: State, shape: Any) -> float:
    """The greatest difference between the graph and torch on random pixels."""
    session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
    pixels = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    (ours,) = session.run(None, {"pixels": pixels})
    with torch.no_grad():
        theirs = reference((torch.from_numpy(pixels) - 127.5) * 0.0078125, state).numpy()
    return float(np.abs(ours - theirs).max())


def main() -> None:
    """Write the three graphs, and enter them in the manifest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    for name, (build, reference, shape) in NETWORKS.items():
        source = published(name)
        state: State = torch.load(source, weights_only=True)
        weights = {key: value.numpy().astype(np.float64) for key, value in state.items()}
        data: bytes = build(weights).SerializeToString(deterministic=True)
        worst = check(data, reference, state, shape)
        if worst > TOLERANCE:
            raise SystemExit(f"{name}: differs from torch by {worst:.2g}")
        about = {
            "source": SOURCE.format(name),
            "source_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
            "licence": "MIT, see LICENSE.facenet-pytorch",
            "made_by": "infra/export/mtcnn.py",
        }
        ship(folder, f"{name}.onnx", data, about)
        sys.stdout.write(f"{name}: {len(data)} bytes, within {worst:.2g} of torch\n")


if __name__ == "__main__":
    main()
