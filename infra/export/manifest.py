"""What is known of the networks that are shipped, in one file beside them.

Whoever loads one holds it to its digest here.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

FILE_NAME = "manifest.json"


def ship(folder: Path, name: str, data: bytes, about: Mapping[str, str]) -> None:
    """Write a network to *folder*, and enter it in the manifest; other networks stay as they are.

    Args:
        folder: Where they lie; made if it is not there.
        name: The file's.
        data: The ONNX file.
        about: Source, licence, and the script that makes it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / FILE_NAME
    entries = json.loads(manifest.read_bytes()) if manifest.exists() else {}
    entries[name] = {"sha256": hashlib.sha256(data).hexdigest(), **about}
    (folder / name).write_bytes(data)
    manifest.write_text(json.dumps(entries, indent=2) + "\n")
