"""JPEG files in a folder: each is there whole, or not at all, whatever moment the power goes at."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

ENDING, UNFINISHED = ".jpg", ".tmp"

_NAME = re.compile(r"[\w-]{1,128}", re.ASCII)


def is_name(frame_id: str) -> bool:
    """Tell whether a file can be named by it."""
    return _NAME.fullmatch(frame_id) is not None


class SpoolFiles:
    """A file a frame, named by the frame's id. Every method can raise `OSError`."""

    def __init__(self, folder: Path) -> None:
        """Keep them in *folder*, which is made if it is not there; frames are its owner's alone."""
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write(self, frame_id: str, jpeg: bytes) -> None:
        """Write a file, and return once it would outlast a power cut."""
        path = self.path(frame_id)
        unfinished = path.with_suffix(UNFINISHED)
        try:
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                rest = memoryview(jpeg)
                while rest:  # on a disk that is nearly full, the first write may take a part only
                    rest = rest[file.write(rest) :]
                os.fsync(descriptor)
            unfinished.rename(path)
        except OSError:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            raise
        self._sync()

    def read(self, frame_id: str) -> bytes:
        """Read a file."""
        return self.path(frame_id).read_bytes()

    def remove(self, frame_id: str) -> None:
        """Remove a file, if it is there. That it is gone may not outlast a power cut at once."""
        self.path(frame_id).unlink(missing_ok=True)

    def is_there(self) -> bool:
        """Tell whether the folder is."""
        return self._folder.is_dir()

    def probe(self) -> None:
        """Find out whether files can be written."""
        path = self._folder / f"probe{UNFINISHED}"
        path.write_bytes(b"?")
        path.unlink()

    def tidy(self) -> None:
        """Remove what was being written when a process ended."""
        for path in self._folder.glob(f"*{UNFINISHED}"):
            path.unlink(missing_ok=True)

    def ids(self) -> Iterator[str]:
        """Name the frames whose files are there."""
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.endswith(ENDING):
                    yield entry.name.removesuffix(ENDING)

    def path(self, frame_id: str) -> Path:
        """Tell where a frame's file is.

        Raises:
            ValueError: No file can have such a name.
        """
        if not is_name(frame_id):
            raise ValueError(f"a frame's id is letters, digits, _ and -; got {frame_id!r}")
        return self._folder / f"{frame_id}{ENDING}"

    def _sync(self) -> None:
        """Have the folder itself, and so the file's name in it, outlast a power cut."""
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
