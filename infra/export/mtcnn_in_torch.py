"""The three networks of MTCNN as facenet-pytorch publishes them, in plain torch.

What `infra/export/mtcnn.py` makes is held against these.
"""

import importlib.util
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own custom)

State = dict[str, torch.Tensor]


def _conv_prelu(x: torch.Tensor, s: State, number: int) -> torch.Tensor:
    x = F.conv2d(x, s[f"conv{number}.weight"], s[f"conv{number}.bias"])
    return F.prelu(x, s[f"prelu{number}.weight"])


def _dense(x: torch.Tensor, s: State, name: str) -> torch.Tensor:
    return F.linear(x, s[f"{name}.weight"], s[f"{name}.bias"])


def _difference(logits: torch.Tensor) -> torch.Tensor:
    return logits[:, 1:2] - logits[:, 0:1]


def pnet_in_torch(x: torch.Tensor, s: State) -> torch.Tensor:
    """PNet as published, up to its heads."""
    x = F.max_pool2d(_conv_prelu(x, s, 1), 2, 2, ceil_mode=True)
    x = _conv_prelu(_conv_prelu(x, s, 2), s, 3)
    classes = F.conv2d(x, s["conv4_1.weight"], s["conv4_1.bias"])
    box = F.conv2d(x, s["conv4_2.weight"], s["conv4_2.bias"])
    return torch.cat([_difference(classes), box], dim=1)


def rnet_in_torch(x: torch.Tensor, s: State) -> torch.Tensor:
    """RNet as published, up to its heads."""
    x = F.max_pool2d(_conv_prelu(x, s, 1), 3, 2, ceil_mode=True)
    x = F.max_pool2d(_conv_prelu(x, s, 2), 3, 2, ceil_mode=True)
    x = _conv_prelu(x, s, 3).permute(0, 3, 2, 1).flatten(1)
    x = F.prelu(_dense(x, s, "dense4"), s["prelu4.weight"])
    return torch.cat([_difference(_dense(x, s, "dense5_1")), _dense(x, s, "dense5_2")], dim=1)


def onet_in_torch(x: torch.Tensor, s: State) -> torch.Tensor:
    """ONet as published, up to its heads."""
    x = F.max_pool2d(_conv_prelu(x, s, 1), 3, 2, ceil_mode=True)
    x = F.max_pool2d(_conv_prelu(x, s, 2), 3, 2, ceil_mode=True)
    x = F.max_pool2d(_conv_prelu(x, s, 3), 2, 2, ceil_mode=True)
    x = _conv_prelu(x, s, 4).permute(0, 3, 2, 1).flatten(1)
    x = F.prelu(_dense(x, s, "dense5"), s["prelu5.weight"])
    heads = [_dense(x, s, f"dense6_{i}") for i in (2, 3)]
    return torch.cat([_difference(_dense(x, s, "dense6_1")), *heads], dim=1)


def published(name: str) -> Path:
    """Find the state dict of that *name* without importing facenet_pytorch."""
    spec = importlib.util.find_spec("facenet_pytorch")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("pip install --no-deps facenet-pytorch==2.5.3")
    return Path(spec.submodule_search_locations[0]) / "data" / f"{name}.pt"
