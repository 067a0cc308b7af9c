"""The port to where frames are stored, and a folder that can stand for it."""

import base64
import hashlib
import os
from pathlib import Path
from typing import Protocol

from sightline.errors import ConfigError, TransportError


class FrameStore(Protocol):
    """Where frames go under their keys. Safe from any thread."""

    def put(self, key: str, jpeg: bytes, sha256: str) -> None:
        """Store *jpeg* under *key* unless there is one already: then it is ours, put before.

        Args:
            sha256: Of the JPEG, in hex; the store checks it.

        Raises:
            TransportError: It is not stored; try again later.
            ConfigError: It will not be stored until the operator changes something.
        """
        ...


class FolderStore:
    """Frames as files below a folder. See `FrameStore`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, key: str, jpeg: bytes, sha256: str) -> None:
        """See `FrameStore.put`."""
        if hashlib.sha256(jpeg).hexdigest() != sha256:
            raise TransportError(f"{key}: the JPEG is not what its SHA-256 says")
        path = self._folder / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                return
            partial = path.with_suffix(".part")
            partial.write_bytes(jpeg)
            os.replace(partial, path)  # noqa: PTH105 - whole or not there, for whoever looks
        except PermissionError as err:
            raise ConfigError(f"{path}: cannot be written: {err.strerror}") from err
        except OSError as err:  # the disk is full, say
            raise TransportError(f"{path}: cannot be written: {err.strerror or err}") from err


def checksum(sha256: str) -> str:
    """Write a SHA-256 in hex as S3 wants it, in base64."""
    return base64.b64encode(bytes.fromhex(sha256)).decode()
