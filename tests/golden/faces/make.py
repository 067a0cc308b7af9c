"""Make the golden values of `sightline.faces`, by the references themselves.

    PYTHONPATH=. python tests/golden/faces/make.py [mtcnn] [networks] [dlib]

Needs an environment of its own, beside what `sightline.faces` needs:

    pip install torch==2.13.0
    pip install --no-deps facenet-pytorch==2.5.3 dlib-bin==20.0.1 face_recognition_models==0.3.0

- `mtcnn.json`: what facenet-pytorch's own `MTCNN.detect(landmarks=True)` finds, with its published
  weights, on its default thresholds, on one thread, in every photograph and in every tenth frame
  of both clips. Photographs are decoded by `sightline.faces.image.decode` at their own size, clips
  by OpenCV, and the digest of each decoded array is kept, so that a later difference of decoders
  cannot pass for one of detectors. Numbers are rounded to a hundredth of what tests tolerate.
- `mtcnn_networks.npz`: what each of the three networks, as published, answers to some pixels.
- `dlib.npz`: what dlib's own `compute_face_descriptor` says of chips. Those of the portraits in
  `tests/data` and one of noise are kept whole; of the other photographs' chips, which are not ours
  to give away, only the digests. All are cut out by the landmarks in `mtcnn.json`.

torchvision does not load beside a torch without CUDA, and facenet-pytorch takes three functions
from it. They are stood in for: `batched_nms` by the same algorithm in torch (stable descending
sort by score, areas without + 1, intersection over union strictly greater than the limit), and
`transforms.functional` and `requests` by nothing, since detection never calls them.
"""

import hashlib
import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from infra.export.mtcnn import NETWORKS
from infra.export.mtcnn_in_torch import published
from sightline.faces.alignment import align
from sightline.faces.dlib import TEMPLATE, weights_file
from sightline.faces.image import decode

HERE = Path(__file__).parent
PROJECT = HERE.parents[2]
PORTRAITS = PROJECT / "tests" / "data"
PHOTOGRAPHS = PROJECT.parent / "shared" / "faces"
CLIPS = ("clips/hamilton.mp4", "clips/office-people.mp4")
EVERY = 10  # frames
ALSO_AT_20 = (
    "enrol/kit-harington/1.jpg",
    "probe/six-strangers.jpg",
    "probe/obama-720p.jpg",
    "clips/hamilton.mp4#0",
    "clips/hamilton.mp4#100",
    "clips/hamilton.mp4#200",
    "clips/office-people.mp4#50",
)


def nms(boxes: torch.Tensor, scores: torch.Tensor, limit: float) -> torch.Tensor:
    """What torchvision.ops.nms computes (its C++ loop, in torch)."""
    x1, y1, x2, y2 = boxes.unbind(1)
    areas = (x2 - x1) * (y2 - y1)
    order = scores.sort(stable=True, descending=True)[1]
    keep = []
    while len(order):
        i, order = order[0], order[1:]
        keep.append(i)
        width = (torch.minimum(x2[i], x2[order]) - torch.maximum(x1[i], x1[order])).clamp(min=0)
        height = (torch.minimum(y2[i], y2[order]) - torch.maximum(y1[i], y1[order])).clamp(min=0)
        inter = width * height
        order = order[~(inter / (areas[i] + areas[order] - inter) > limit)]
    return torch.stack(keep) if keep else torch.empty(0, dtype=torch.int64)


def batched_nms(
    boxes: torch.Tensor, scores: torch.Tensor, groups: torch.Tensor, limit: float
) -> torch.Tensor:
    """What torchvision.ops.batched_nms computes, for one group: one image at a time."""
    if len(groups) and int(groups.max()) > 0:
        raise SystemExit("one image at a time")
    return nms(boxes, scores, limit)


def stand_in(name: str, **content: object) -> None:
    """Put a module of that *name* where an import finds it."""
    module = types.ModuleType(name)
    vars(module).update(content)
    sys.modules[name] = module


def facenet_mtcnn() -> Any:
    """facenet-pytorch's class."""
    stand_in("requests")
    stand_in("requests.adapters", HTTPAdapter=object)
    stand_in("torchvision")
    stand_in("torchvision.transforms", functional=None)
    stand_in("torchvision.transforms.functional")
    stand_in("torchvision.ops")
    stand_in("torchvision.ops.boxes", batched_nms=batched_nms)
    from facenet_pytorch import MTCNN

    return MTCNN


def digest(array: NDArray[np.uint8]) -> str:
    """SHA-256 of an array's shape and values, in hex."""
    return hashlib.sha256(repr(array.shape).encode() + array.tobytes()).hexdigest()


def photographs() -> dict[str, Path]:
    """Name -> file: the portraits of tests/data, then the photographs beside the project."""
    found = {f"data/{p.name}": p for p in sorted(PORTRAITS.glob("*.[jp][pn]g"))}
    for folder in ("enrol", "probe"):
        for path in sorted((PHOTOGRAPHS / folder).rglob("*.[jp][pn]g")):
            found[path.relative_to(PHOTOGRAPHS).as_posix()] = path
    return found


def pictures() -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Name and pixels of every photograph, and of every tenth frame of the clips."""
    for name, path in photographs().items():
        yield name, decode(path.read_bytes())
    for clip in CLIPS:
        capture = cv2.VideoCapture(str(PHOTOGRAPHS / clip))
        number = 0
        while capture.grab():
            if number % EVERY == 0:
                bgr = capture.retrieve()[1]
                yield f"{clip}#{number}", np.ascontiguousarray(bgr[:, :, ::-1])
            number += 1


def rounded(values: Any, digits: int) -> Any:
    """As a list, of numbers short enough to keep."""
    return [] if values is None else np.asarray(values, float).round(digits).tolist()


def make_mtcnn() -> None:
    """Write mtcnn.json."""
    torch.set_num_threads(1)
    mtcnn_class = facenet_mtcnn()
    cases = []
    for name, frame in pictures():
        for smallest_face_px in (40, 20) if name in ALSO_AT_20 else (40,):
            mtcnn = mtcnn_class(min_face_size=smallest_face_px, keep_all=True)
            boxes, probabilities, landmarks = mtcnn.detect(frame, landmarks=True)
            none = boxes is None
            case = {
                "picture": name,
                "smallest_face_px": smallest_face_px,
                "pixels": digest(frame),
                "boxes": rounded(boxes, 4),
                "probabilities": [] if none else rounded(probabilities, 7),
                "landmarks": rounded(landmarks, 4),
            }
            cases.append(json.dumps(case))
            print(name, smallest_face_px, len(case["boxes"]))  # noqa: T201
    made_by = (
        "tests/golden/faces/make.py: facenet-pytorch 2.5.3's MTCNN.detect(landmarks=True) on torch "
        f"{torch.__version__}, 1 thread; torchvision's batched_nms stood in for by its like; clips "
        f"decoded by OpenCV {cv2.__version__}"
    )
    lines = ['{"made_by": ' + json.dumps(made_by) + ",", '"cases": [', ",\n".join(cases), "]}", ""]
    (HERE / "mtcnn.json").write_text("\n".join(lines))


def make_networks() -> None:
    """Write mtcnn_networks.npz: pixels and answers, float32, of facenet-pytorch's own networks."""
    rng, kept = np.random.default_rng(11), {}
    for name, (_, reference, shape) in NETWORKS.items():
        shape = (min(shape[0], 8), *shape[1:])
        # Smooth as a face is, and not noise alone, so that the numbers are of the usual size.
        coarse = rng.integers(0, 256, (shape[0], 3, 5, 5)).astype(np.float32)
        smooth = torch.nn.functional.interpolate(
            torch.from_numpy(coarse), shape[2:], mode="bilinear"
        ).numpy()
        noise = rng.integers(-30, 31, shape)
        pixels = np.clip(smooth + noise, 0, 255).astype(np.uint8)
        state = torch.load(published(name), weights_only=True)
        with torch.no_grad():
            scaled = (torch.from_numpy(pixels.astype(np.float32)) - 127.5) * 0.0078125
            kept[f"{name}_pixels"], kept[f"{name}_out"] = pixels, reference(scaled, state).numpy()
    np.savez_compressed(HERE / "mtcnn_networks.npz", **kept)


def make_dlib() -> None:
    """Write dlib.npz."""
    import dlib  # type: ignore[import-not-found, unused-ignore]

    network = dlib.face_recognition_model_v1(str(weights_file()))
    landmarks = {
        case["picture"]: np.array(case["landmarks"], np.float32).reshape(-1, 5, 2)
        for case in json.loads((HERE / "mtcnn.json").read_text())["cases"]
        if case["smallest_face_px"] == 40
    }
    names, digests, descriptors, chips = [], [], [], []
    noise = np.random.default_rng(7).integers(0, 256, (150, 150, 3), dtype=np.uint8)
    for name, path in {"noise": None, **photographs()}.items():
        if path is None:
            faces = [noise]
        else:
            frame = decode(path.read_bytes())
            faces = [align(frame, five, TEMPLATE, 150) for five in landmarks[name]]
        for i, chip in enumerate(faces):
            names.append(f"{name}#{i}")
            digests.append(digest(chip))
            descriptors.append(np.array(network.compute_face_descriptor(chip), dtype=np.float32))
            if not name.startswith(("enrol", "probe")):
                chips.append(chip)
    np.savez_compressed(
        HERE / "dlib.npz",
        made_by="tests/golden/faces/make.py: dlib-bin 20.0.1, compute_face_descriptor(chip)",
        names=names,
        digests=digests,
        descriptors=np.stack(descriptors),
        chips=np.stack(chips),  # of the first names
    )
    print(len(names), "descriptors,", len(chips), "chips")  # noqa: T201


if __name__ == "__main__":
    make = {"mtcnn": make_mtcnn, "networks": make_networks, "dlib": make_dlib}
    for what in sys.argv[1:] or make:
        make[what]()
