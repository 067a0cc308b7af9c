"""Turn weights of facenet-pytorch's InceptionResnetV1 into the ONNX file of the engine `facenet`.

    python -m infra.export.facenet WEIGHTS FOLDER
    python -m infra.export.facenet --seed 7 WEIGHTS

Runs in the environment of requirements/export.txt, which `./run engines add facenet` makes. The
second form writes random weights, so that the export can be tried where the published are not.

Before a file is written, it is run against facenet-pytorch's own network in torch. What this
prints is one line of JSON; what is wrong is said in one line on standard error, with status 2.
"""

import argparse
import hashlib
import importlib.util
import json
import pickle
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sightline.errors import ModelError, SightlineError
from sightline.faces import facenet
from sightline.faces.cards import write_card
from sightline.faces.facenet_onnx import to_onnx
from sightline.faces.files import write_at_once
from sightline.faces.sessions import Session

TOLERANCE = 1e-4  # of numbers in vectors of length 1; measured are 4e-7
TRIALS = 8  # random pictures

_UNUSED = ("logits.",)  # the classes that it was trained on


def main() -> int:
    """Export; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.export.facenet")
    parser.add_argument("weights", type=Path)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--seed", type=int, help="write random WEIGHTS instead")
    args = parser.parse_args()
    try:
        if args.seed is not None:
            write_random(args.weights, args.seed)
        elif args.folder is None:
            parser.error("give the FOLDER that the ONNX file shall lie in")
        else:
            sys.stdout.write(json.dumps(export(args.weights, args.folder)) + "\n")
    except SightlineError as err:
        sys.stderr.write(f"{err}\n")
        return 2
    return 0


def export(weights: Path, folder: Path) -> dict[str, Any]:
    """Write the ONNX file of *weights*, with its card beside it, into *folder*.

    Returns:
        Its id, digest and size, and how far from torch it is.

    Raises:
        ModelError: The weights cannot be read or are of another network, or the graph's output
            differs from torch's.
    """
    state = _state(weights)
    network = _network()
    try:
        network.load_state_dict(state)
    except RuntimeError as err:
        raise ModelError(
            f"{weights} is of another network than InceptionResnetV1: {_excerpt(str(err))}"
        ) from err
    data = to_onnx({name: value.numpy() for name, value in network.state_dict().items()})
    worst = difference(data, network)
    if not worst <= TOLERANCE:  # NaN is refused, too
        raise ModelError(
            f"the export differs from torch by {worst:.2g}, more than {TOLERANCE:g}; not written"
        )
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    notes = {
        "weights_sha256": digest,
        "made_by": f"infra/export/facenet.py with torch {torch.__version__}",
        "difference_to_torch": worst,
    }
    made = hashlib.sha256(data).hexdigest()
    card = replace(facenet.CARD, id=facenet.id_for(digest), digest=made, notes=notes)
    write_at_once(folder / card.file, data)
    write_card(folder / card.file, card)
    return {"id": card.id, "digest": card.digest, "bytes": len(data), **notes}


def difference(data: bytes, network: Any) -> float:
    """The greatest difference between the graph and torch, on random pixels."""
    chips = np.random.default_rng(0).integers(0, 256, (TRIALS, 160, 160, 3), dtype=np.uint8)
    ours = Session(data, name="the export").run(chips)
    pixels = torch.from_numpy(chips).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        theirs = network((pixels - 127.5) / 128).numpy()
    return float(np.abs(ours - theirs).max())


def write_random(path: Path, seed: int) -> None:
    """Write weights drawn from *seed*, batch normalisations included: like none that were trained.

    Raises:
        ModelError: facenet-pytorch is not installed.
    """
    torch.manual_seed(seed)
    network = _network()
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2)
            elif name.endswith("running_mean"):
                value.normal_(0, 0.1)
            elif name.endswith("conv.weight"):
                torch.nn.init.kaiming_normal_(value)  # else all pictures give the same output
    torch.save(network.state_dict(), path)


def _state(weights: Path) -> dict[str, Any]:
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
    except FileNotFoundError as err:
        raise ModelError(f"there is no file {weights}") from err
    # What torch raises for a file that ends early depends on where it ends.
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as err:
        raise ModelError(f"{weights} is cut short, damaged or not torch's") from err
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise ModelError(f"{weights} holds no state dict")
    return {name: value for name, value in state.items() if not name.startswith(_UNUSED)}


def _excerpt(text: str) -> str:
    """Torch names all of the thousand tensors that are missing."""
    words = " ".join(text.split("\n")[1:]).split() or text.split()
    return " ".join(words[:8]) + (" …" if len(words) > 8 else "")


def _network() -> Any:
    """facenet-pytorch's network, in evaluation.

    The package's `__init__` imports torchvision, which does not load beside a torch without CUDA,
    and the module itself `requests`, to download; so the one module is loaded by itself.
    """
    spec = importlib.util.find_spec("facenet_pytorch")
    if spec is None or not spec.submodule_search_locations:
        raise ModelError("facenet-pytorch is not installed: pip install -r requirements/export.txt")
    _stand_in("requests")
    _stand_in("requests.adapters", HTTPAdapter=object)
    _stand_in("facenet_pytorch", __path__=list(spec.submodule_search_locations))
    from facenet_pytorch.models.inception_resnet_v1 import InceptionResnetV1

    return InceptionResnetV1().eval()


def _stand_in(name: str, **content: object) -> None:
    if name not in sys.modules:
        module = types.ModuleType(name)
        vars(module).update(content)
        sys.modules[name] = module


if __name__ == "__main__":
    sys.exit(main())
