"""dlib's face recognition network: where its weights are, and what its numbers mean.

Source: Davis King, dlib_face_recognition_resnet_model_v1 (public domain, CC0), as the package
face_recognition_models 0.3.0 carries it; trained on about 3 million faces, LFW 99.38 %.
"""

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sightline.errors import ModelError
from sightline.faces.cards import Card
from sightline.faces.files import write_at_once
from sightline.faces.sessions import read_checked

ID = "dlib-resnet@1"
FILE_NAME = "dlib-resnet-1.onnx"
ONNX_SHA256 = "c42875b57009213d6d3f16fa4635c6c2f529f7f86698d6bf97e86dcdb4c542a3"
WEIGHTS_SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"

# Two photographs of one person are nearer than this. dlib's own 0.6 is for its own alignment;
# with MTCNN's, the most accurate was 0.57 on 1,830 pairs, and 0.5 the first without a stranger.
# Source: our own measurement.
THRESHOLD = 0.55
MARGIN = 0.05
DOUBT = 0.05

# Where MTCNN's landmarks lie in the chips that dlib cuts out: the median over 40 faces, made
# symmetric about the middle. Left eye, right eye, nose, left and right mouth corner: x, y.
TEMPLATE: NDArray[np.float32] = np.array(
    [[47.95, 45.79], [102.05, 45.79], [75.0, 78.80], [49.19, 101.83], [100.81, 101.83]],
    dtype=np.float32,
)

CARD = Card(
    id=ID,
    digest=ONNX_SHA256,
    file=FILE_NAME,
    dimension=128,
    chip_size=150,
    template=TEMPLATE,
    threshold=THRESHOLD,
    margin=MARGIN,
    doubt=DOUBT,
    licence="CC0",
    source="face_recognition_models 0.3.0, dlib_face_recognition_resnet_model_v1.dat",
)

_PACKAGE = "face_recognition_models"
_MEND = f"pip install {_PACKAGE}==0.3.0 onnx==1.23.2"


def weights_file(package: str = _PACKAGE) -> Path:
    """Find the network's weights. The package is not imported: it would need pkg_resources.

    Raises:
        ModelError: The package is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(f"dlib's weights are not installed: {_MEND}")
    folder = Path(spec.submodule_search_locations[0])
    return folder / "models" / "dlib_face_recognition_resnet_model_v1.dat"


def write_onnx(path: Path, weights: Path | None = None) -> None:
    """Make the network's ONNX file, at once or not at all.

    Args:
        path: Where it shall lie; its folder is made.
        weights: dlib's file; by default that of the installed package.

    Raises:
        ModelError: The weights or the package onnx are not there, or the file cannot be written.
    """
    content = read_checked(weights or weights_file(), WEIGHTS_SHA256)
    try:
        from sightline.faces.dlib_onnx import to_onnx
    except ImportError as err:
        raise ModelError(f"the package onnx is not installed: {_MEND}") from err
    data = to_onnx(content)
    made = hashlib.sha256(data).hexdigest()
    if made != ONNX_SHA256:
        # The bytes are those of onnx 1.18 and 1.23; another may come to write them differently.
        raise ModelError(
            f"dlib's weights gave a file with SHA-256 {made}, not {ONNX_SHA256}: {_MEND}"
        )
    write_at_once(path, data)
