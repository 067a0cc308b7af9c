"""FaceNet as facenet-pytorch publishes it: InceptionResnetV1 trained on VGGFace2.

Source: Schroff et al., "FaceNet: A Unified Embedding for Face Recognition and Clustering", 2015;
facenet-pytorch 2.5.3, `InceptionResnetV1(pretrained="vggface2")`, whose weights are David
Sandberg's 20180402-114759.

No accuracy stated here is ours: the weights could not be had where this was written, so nothing
but the arithmetic of the export was checked, on random weights. Published are 99.65 % on LFW
(Sandberg's README, repeated by facenet-pytorch's) and 99.37 % (facenet-pytorch's own
examples/lfw_evaluate.ipynb).
"""

import numpy as np
from numpy.typing import NDArray

from sightline.faces.cards import Card

FILE_NAME = "facenet-1.onnx"
PUBLISHED_ID = "facenet-vggface2@1"
WEIGHTS_URL = (
    "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/"
    "20180402-114759-vggface2.pt"
)
WEIGHTS_BYTES = 111_898_327
# facenet-pytorch states no digest. This is the one that eight public repositories which pin the
# file record alike; it was not compared with the file itself here.
WEIGHTS_SHA256 = "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b"

# Two photographs of one person are nearer than this; both embeddings have length 1, so two that
# have nothing in common are 1.41 apart. Neither facenet-pytorch nor Sandberg publishes a threshold.
# The most accurate for these weights was 1.04 (deepface, `find_threshold`, "Facenet512" measured by
# "euclidean_l2"), the FaceNet paper's on LFW 1.11 (1.242 squared). A little stricter, since a wrong
# name is worse than none. `./run evaluate` says what fits your own people.
THRESHOLD = 1.0
MARGIN = 0.08  # as large a share of the threshold as dlib's, and so is the doubt
DOUBT = 0.08

# Where MTCNN's landmarks lie in the crops that facenet-pytorch's LFW figure is for: the box with a
# margin of 14 px, stretched to 160 x 160 px (`MTCNN(image_size=160, margin=14)`). The median over
# the 35 faces of 28 photographs whose crop lies within the picture, made symmetric about the
# middle. Those crops are boxes, 1.36 times as high as wide, made square; a similarity turns and
# scales alone, so a face meets the points but for a residual of median 3.5, at most 15 px.
# Left eye, right eye, nose, left and right mouth corner: x, y.
TEMPLATE: NDArray[np.float32] = np.array(
    [[46.10, 64.72], [113.90, 64.72], [80.0, 94.44], [45.55, 115.75], [114.45, 115.75]],
    dtype=np.float32,
)

CARD = Card(
    id="facenet@1",
    digest="",
    file=FILE_NAME,
    dimension=512,
    chip_size=160,
    template=TEMPLATE,
    threshold=THRESHOLD,
    margin=MARGIN,
    doubt=DOUBT,
    licence="MIT; trained on VGGFace2",
    source="facenet-pytorch 2.2.9, 20180402-114759-vggface2.pt",
)


def id_for(weights_sha256: str) -> str:
    """Name the engine that has those weights: others give embeddings that are not comparable.

    It is named after the weights and not the ONNX file, whose bytes differ by what wrote it, so
    that an engine made on a laptop and one made in an image are the same.
    """
    return PUBLISHED_ID if weights_sha256 == WEIGHTS_SHA256 else f"facenet-{weights_sha256[:8]}@1"
