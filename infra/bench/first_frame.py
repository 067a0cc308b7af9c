"""One fresh process: load all that a worker loads, answer one frame, say so.

    python infra/bench/first_frame.py FRAME FOLDER ENGINE kept|unkept
    python infra/bench/first_frame.py FRAME reference WEIGHTS
    python infra/bench/first_frame.py WEIGHTS weights

Prints one line of JSON the moment the frame is answered. The second form is what a user would pick
instead, and runs in an environment with facenet-pytorch: it needs nothing of ours. The third writes
the weights that it loads: as many as the published, at random.
"""

import json
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from sightline.faces.recognizer import Recognizer

_CLASSES = 8631  # of VGGFace2

BEGAN = time.perf_counter()


def ours(photo: str, folder: str, engine: str, form: str) -> dict[str, float]:
    """Load and answer; returns milliseconds by stage."""
    from pathlib import Path

    if form == "kept":
        from sightline.faces.loading import load_recognizer

        stages = {"imports": _ms()}
        recognizer = load_recognizer(engine, folder=Path(folder))
    else:
        recognizer, stages = _one_after_the_other(Path(folder), engine)
    stages["engine"] = _ms()
    from sightline.faces.image import decode
    from sightline.faces.matcher import Gallery, match

    loaded = recognizer.engine
    sight = recognizer.see(decode(Path(photo).read_bytes()))
    rows = [face.embedding for face in sight.faces if face.embedding is not None]
    gallery = Gallery(version=0, engine=loaded.id, embeddings=rows[0][None], person_ids=("ada",))
    match(rows[0][None], gallery, threshold=loaded.threshold, margin=loaded.margin)
    stages["frame"] = _ms()
    return stages


def _one_after_the_other(folder: "Path", engine: str) -> "tuple[Recognizer, dict[str, float]]":
    """As it would be done without care: imports, detector, engine from its ONNX file."""
    from sightline.faces.detector import Detector
    from sightline.faces.engines import NetworkEngine, engine_card
    from sightline.faces.recognizer import Recognizer
    from sightline.faces.sessions import Session, read_checked

    stages = {"imports": _ms()}
    detector = Detector()
    stages["detector"] = _ms()
    card = engine_card(engine, folder)
    data = read_checked(folder / card.file, card.digest)
    return Recognizer(detector, NetworkEngine(card, Session(data, name=card.id))), stages


def reference(photo: str, weights: str) -> dict[str, float]:
    """The same by facenet-pytorch: what `InceptionResnetV1(pretrained="vggface2")` does, and uses.

    That is to make the network with its 8,631 classes, and to load a state dict into it.
    """
    import torch
    from facenet_pytorch import MTCNN, InceptionResnetV1
    from PIL import Image

    torch.set_num_threads(1)
    stages = {"imports": _ms()}
    detector = MTCNN(image_size=240, margin=0, min_face_size=20)
    stages["detector"] = _ms()
    network = InceptionResnetV1(classify=True, num_classes=_CLASSES)
    network.load_state_dict(torch.load(weights))
    network.classify = False
    network.eval()
    stages["engine"] = _ms()
    with torch.no_grad():
        network(detector(Image.open(photo))[None])
    stages["frame"] = _ms()
    return stages


def write_weights(path: str) -> dict[str, float]:
    """Write a state dict of the published one's size."""
    import torch
    from facenet_pytorch import InceptionResnetV1

    torch.save(InceptionResnetV1(classify=True, num_classes=_CLASSES).state_dict(), path)
    return {}


def _ms() -> float:
    return (time.perf_counter() - BEGAN) * 1000


def _resident_mb() -> float:
    try:
        with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - imports count
            rows = dict(line.split(":", 1) for line in status)
        return int(rows["VmRSS"].split()[0]) / 1024
    except OSError:
        return 0.0


if __name__ == "__main__":
    if sys.argv[2] == "reference":
        answered = reference(sys.argv[1], sys.argv[3])
    elif sys.argv[2] == "weights":
        answered = write_weights(sys.argv[1])
    else:
        answered = ours(*sys.argv[1:])
    sys.stdout.write(json.dumps({"stages": answered, "resident_mb": _resident_mb()}) + "\n")
    sys.stdout.flush()
