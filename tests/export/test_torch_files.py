"""What torch itself saves, read by it and by the reader that has none."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from cloud.imports.file_kinds import read_named_vectors
from infra.engines import EXPORT, EXPORT_PYTHON
from infra.packaging import PROJECT
from sightline.errors import ConfigError

GOLDEN = PROJECT / "tests" / "golden" / "imports"
REFUSED = ("bfloat16", "integers", "sparse", "module", "storage", "meta")

# Writes <shape>-<form>.pt, and what each holds as torch.load(weights_only=True) sees it.
SAVE = """
import json, sys, torch
from pathlib import Path
folder, names, _ = Path(sys.argv[1]), list("abcd"), torch.manual_seed(7)
rows = torch.nn.functional.normalize(torch.randn(4, 512), dim=1)
own = [row.clone().unsqueeze(0) for row in rows]
shapes = {
    "pair": [own, names],
    "tuple": (names, own),
    "flat": [list(rows), names],
    "matrix": [rows, names],
    "stack": [torch.stack(own), names],
    "views": [[rows[i : i + 1] for i in range(4)], names],
    "strided": [[rows.t().contiguous().t()[i : i + 1] for i in range(4)], names],
    "double": [[row.double() for row in own], names],
    "half": [[row.half() for row in own], names],
    "learnt": [[row.clone().requires_grad_() for row in own], names],
    "made": [[row.clone().requires_grad_() * 1 for row in own], names],
    "parameters": [[torch.nn.Parameter(row) for row in own], names],
    "dict": {"embeddings": own, "names": names},
    "by-name": dict(zip(names, own)),
    "bfloat16": [[row.bfloat16() for row in own], names],
    "integers": [[(row * 9).long() for row in own], names],
    "sparse": [[row.to_sparse() for row in own], names],
    "storage": [[row.untyped_storage() for row in own], names],
    "meta": [[row.to("meta") for row in own], names],
    "module": [torch.nn.Linear(2, 2), names],
}
for shape, value in shapes.items():
    for protocol in (2, 4):
        for form, zipped in (("zip", True), ("legacy", False)):
            path = folder / f"{shape}-{form}-{protocol}.pt"
            torch.save(
                value, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped
            )
(folder / "rows.json").write_text(json.dumps(rows.tolist()))
"""

LOAD = """
import json, sys, torch
embeddings, names = torch.load(sys.argv[1], weights_only=True)
print(json.dumps([names, torch.cat(list(embeddings)).detach().float().tolist()]))
"""


@pytest.fixture(scope="session")
def python() -> Path:
    given = os.environ.get(EXPORT_PYTHON)
    return Path(given) if given else EXPORT.make(print)


def test_everything_that_torch_saves_of_embeddings_is_read_and_the_rest_refused(
    python: Path, tmp_path: Path
) -> None:
    subprocess.run([str(python), "-W", "ignore", "-c", SAVE, str(tmp_path)], check=True)
    rows = np.array(json.loads((tmp_path / "rows.json").read_text()))
    files = sorted(tmp_path.glob("*.pt"))
    assert len(files) == 20 * 4

    for file in files:
        shape = file.name.rsplit("-", 2)[0]
        if shape in REFUSED:
            with pytest.raises(ConfigError):
                read_named_vectors(file.read_bytes())
            continue
        read = read_named_vectors(file.read_bytes())
        assert read.names == tuple("abcd"), file.name
        tolerance = 1e-4 if shape == "half" else 1e-7
        np.testing.assert_allclose(read.vectors, rows, atol=tolerance, rtol=0, err_msg=file.name)


@pytest.mark.parametrize(
    "name",
    ["own.pt", "own-legacy.pt", "views.pt", "strided-legacy.pt", "learnt.pt", "half.pt"],
)
def test_torch_reads_the_golden_files_as_we_do(python: Path, name: str) -> None:
    loaded = subprocess.run(
        [str(python), "-c", LOAD, str(GOLDEN / name)], check=True, capture_output=True
    )
    names, vectors = json.loads(loaded.stdout)

    read = read_named_vectors((GOLDEN / name).read_bytes())

    assert list(read.names) == names
    np.testing.assert_allclose(read.vectors, vectors, atol=1e-4 if name == "half.pt" else 1e-7)
