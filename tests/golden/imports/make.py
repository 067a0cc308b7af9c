"""Write the golden files again, where torch or an old NumPy is: `python make.py [torch|numpy]`.

Random numbers of one seed; nobody's face.
"""

import pickle
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
NAMES = ["Ada Lovelace", "Alan Turing", "Ada Lovelace"]


def vectors(dimension):
    """(3, dimension) float64; of RandomState, whose stream NumPy never changes."""
    return np.random.RandomState(dimension).standard_normal((3, dimension))


def write_torch():
    import torch

    rows = torch.tensor(vectors(512), dtype=torch.float32)
    rows = torch.nn.functional.normalize(rows, p=2, dim=1)
    own = [row.clone().unsqueeze(0) for row in rows]  # as facenet-pytorch's (1, 512)
    views = [rows[i : i + 1] for i in range(3)]
    strided = [rows.t().contiguous().t()[i : i + 1] for i in range(3)]
    learnt = [row.clone().requires_grad_() for row in own]
    for name, embeddings in (("own", own), ("views", views), ("learnt", learnt)):
        torch.save([embeddings, NAMES], HERE / f"{name}.pt")
    torch.save([strided, NAMES], HERE / "strided-legacy.pt", _use_new_zipfile_serialization=False)
    torch.save([own, NAMES], HERE / "own-legacy.pt", _use_new_zipfile_serialization=False)
    torch.save([[row.half() for row in own], NAMES], HERE / "half.pt")
    torch.save([[row.bfloat16() for row in own], NAMES], HERE / "bfloat16.pt")


def write_numpy():
    major = np.__version__.split(".")[0]
    for protocol in (0, 2, 4, 5):
        value = {"encodings": list(vectors(128)), "names": NAMES}
        path = HERE / f"encoding-numpy{major}-protocol{protocol}.pickle"
        path.write_bytes(pickle.dumps(value, protocol))


if __name__ == "__main__":
    {"torch": write_torch, "numpy": write_numpy}[sys.argv[1]]()
