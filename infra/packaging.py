"""The functions' code as one zip, the same bytes for the same sources."""

import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sightline.errors import ConfigError

PROJECT = Path(__file__).parents[1]
FUNCTION_FOLDERS = ("cloud", "sightline")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the zip format's own; a file's real time would change the digest
_UNWANTED_SUFFIXES = {".pyc", ".pyo"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A zip of code, and its name."""

    data: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 of the zip, in hex."""
        return hashlib.sha256(self.data).hexdigest()


def package(root: Path = PROJECT, folders: Iterable[str] = FUNCTION_FOLDERS) -> Package:
    """Zip *folders* of *root*.

    Raises:
        ConfigError: A folder is not there.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for folder in sorted(folders):
            if not (root / folder).is_dir():
                raise ConfigError(f"there is no folder {root / folder} to package")
            for path in _sources(root / folder):
                entry = zipfile.ZipInfo(path.relative_to(root).as_posix(), _EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16  # Lambda runs as a stranger: it must be readable
                archive.writestr(entry, path.read_bytes())
    return Package(data=buffer.getvalue())


def _sources(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
        if path.is_file() and not hidden and path.suffix not in _UNWANTED_SUFFIXES:
            yield path
