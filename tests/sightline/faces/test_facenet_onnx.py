"""InceptionResnetV1's graph, from random weights; `tests/export` holds it to torch."""

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from sightline.errors import ModelError
from sightline.faces import facenet_onnx
from sightline.faces.sessions import Session

# Filters, channels, height and width of every convolution, as facenet-pytorch 2.5.3 has them.
BRANCHES = {
    "repeat_1": {
        "branch0": (32, 256, 1, 1),
        "branch1.0": (32, 256, 1, 1),
        "branch1.1": (32, 32, 3, 3),
        "branch2.0": (32, 256, 1, 1),
        "branch2.1": (32, 32, 3, 3),
        "branch2.2": (32, 32, 3, 3),
    },
    "repeat_2": {
        "branch0": (128, 896, 1, 1),
        "branch1.0": (128, 896, 1, 1),
        "branch1.1": (128, 128, 1, 7),
        "branch1.2": (128, 128, 7, 1),
    },
    "repeat_3": {
        "branch0": (192, 1792, 1, 1),
        "branch1.0": (192, 1792, 1, 1),
        "branch1.1": (192, 192, 1, 3),
        "branch1.2": (192, 192, 3, 1),
    },
}
JOINED = {"repeat_1": (256, 96), "repeat_2": (896, 256), "repeat_3": (1792, 384)}
SINGLE = {
    "conv2d_1a": (32, 3, 3, 3),
    "conv2d_2a": (32, 32, 3, 3),
    "conv2d_2b": (64, 32, 3, 3),
    "conv2d_3b": (80, 64, 1, 1),
    "conv2d_4a": (192, 80, 3, 3),
    "conv2d_4b": (256, 192, 3, 3),
    "mixed_6a.branch0": (384, 256, 3, 3),
    "mixed_6a.branch1.0": (192, 256, 1, 1),
    "mixed_6a.branch1.1": (192, 192, 3, 3),
    "mixed_6a.branch1.2": (256, 192, 3, 3),
    "mixed_7a.branch0.0": (256, 896, 1, 1),
    "mixed_7a.branch0.1": (384, 256, 3, 3),
    "mixed_7a.branch1.0": (256, 896, 1, 1),
    "mixed_7a.branch1.1": (256, 256, 3, 3),
    "mixed_7a.branch2.0": (256, 896, 1, 1),
    "mixed_7a.branch2.1": (256, 256, 3, 3),
    "mixed_7a.branch2.2": (256, 256, 3, 3),
}


def random_weights() -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(5)
    shapes, joins = dict(SINGLE), {}
    blocks = [f"repeat_{n}.{i}" for n, count in ((1, 5), (2, 10), (3, 5)) for i in range(count)]
    for block in [*blocks, "block8"]:
        kind = "repeat_3" if block == "block8" else block.split(".")[0]
        shapes |= {f"{block}.{name}": shape for name, shape in BRANCHES[kind].items()}
        joins[f"{block}.conv2d"] = JOINED[kind]
    weights: dict[str, NDArray[np.float32]] = {}

    def normal(name: str, *shape: int, scale: float) -> None:
        weights[name] = random.standard_normal(shape, np.float32) * np.float32(scale)

    def batch_normalisation(name: str, size: int) -> None:
        for each, centre in (("weight", 1), ("bias", 0), ("running_mean", 0)):
            weights[f"{name}.{each}"] = random.normal(centre, 0.1, size).astype(np.float32)
        weights[f"{name}.running_var"] = random.uniform(0.5, 2, size).astype(np.float32)

    for name, shape in shapes.items():
        normal(f"{name}.conv.weight", *shape, scale=float(np.sqrt(2 / np.prod(shape[1:]))))
        batch_normalisation(f"{name}.bn", shape[0])
    for name, (filters, channels) in joins.items():
        normal(f"{name}.weight", filters, channels, 1, 1, scale=channels**-0.5)
        normal(f"{name}.bias", filters, scale=0.1)
    normal("last_linear.weight", 512, 1792, scale=1792**-0.5)
    batch_normalisation("last_bn", 512)
    return weights


@pytest.fixture(scope="module")
def weights() -> dict[str, NDArray[np.float32]]:
    return random_weights()


@pytest.fixture(scope="module")
def network(weights: dict[str, NDArray[np.float32]]) -> Session:
    return Session(facenet_onnx.to_onnx(weights), name="random")


def test_embeddings_have_length_1_and_differ(network: Session) -> None:
    chips = np.random.default_rng(0).integers(0, 256, (3, 160, 160, 3), dtype=np.uint8)
    chips[2] = 0

    rows = network.run(chips)

    assert rows.shape == (3, 512)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    apart = np.linalg.norm(rows[:, None] - rows[None], axis=2)[np.triu_indices(3, 1)]
    assert apart.min() > 0.01


def test_it_takes_pixels_and_gives_embeddings(network: Session) -> None:
    assert network.takes == ("tensor(uint8)", ("n", 160, 160, 3))
    assert network.gives == ("tensor(float)", ("n", 512))


def test_the_same_weights_give_the_same_bytes(weights: dict[str, NDArray[np.float32]]) -> None:
    assert facenet_onnx.to_onnx(weights) == facenet_onnx.to_onnx(dict(reversed(weights.items())))


@pytest.mark.parametrize(
    "missing", ["conv2d_1a.bn.bias", "repeat_2.9.branch1.2.bn.running_var", "last_bn.bias"]
)
def test_what_is_missing_is_named(weights: dict[str, NDArray[np.float32]], missing: str) -> None:
    rest = {name: value for name, value in weights.items() if name != missing}

    with pytest.raises(ModelError, match=re.escape(f"another network: '{missing}' is missing")):
        facenet_onnx.to_onnx(rest)


def test_tensors_of_another_shape_are_refused(weights: dict[str, NDArray[np.float32]]) -> None:
    with pytest.raises(ModelError, match="another network"):
        facenet_onnx.to_onnx({**weights, "conv2d_2a.bn.weight": np.ones(7, np.float32)})
