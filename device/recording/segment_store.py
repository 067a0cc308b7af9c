"""The port to where segments go, and a folder that can stand for it."""

import shutil
from pathlib import Path
from typing import Protocol

from sightline.errors import ConfigError, TransportError

NOTES = ".upload"  # the ending of what a store keeps beside a segment while it uploads it


class SegmentStore(Protocol):
    """Where segments go under their keys. One upload at a time."""

    def put(self, key: str, path: Path) -> None:
        """Store the file *path* under *key* unless there is one already: then it is ours.

        It may keep notes beside *path*, with the ending `.upload`, and go on by them next time.

        Raises:
            FileNotFoundError: There is no such file any more.
            TransportError: It is not stored; try again later.
            ConfigError: It will not be stored until the operator changes something.
        """
        ...


class SegmentFolder:
    """Segments as files below a folder. See `SegmentStore`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, key: str, path: Path) -> None:
        """See `SegmentStore.put`."""
        target = self._folder / key
        if target.exists():
            return
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_suffix(".part")
            shutil.copyfile(path, partial)
            partial.rename(target)
        except FileNotFoundError:
            raise
        except PermissionError as err:
            raise ConfigError(f"{target}: cannot be written: {err.strerror}") from err
        except OSError as err:
            raise TransportError(f"{target}: cannot be written: {err.strerror or err}") from err
