"""Photos from files and folders, for enrolment."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from cloud.enrolment import MAX_PHOTO_BYTES, Photo
from sightline.errors import ConfigError

_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".gif"})


def read_photos(paths: Sequence[Path]) -> Iterator[Photo]:
    """Read *paths* one after the other, as they are asked for; a folder stands for its images.

    Raises:
        ConfigError: A file is missing or cannot be read, or a folder has no image. All but the
            reading is checked before the first photo is given.
    """
    files = [file for path in paths for file in (images_in(path) if path.is_dir() else [path])]
    for file in files:
        if not file.is_file():
            raise ConfigError(f"there is no file {file}")
    return map(_read, files)


def images_in(folder: Path, *, below: bool = False) -> list[Path]:
    """List the image files of *folder*, by name; formats that cannot be read are refused later.

    Args:
        folder: Where to look.
        below: Look into its folders, too, such as `ada-lovelace/2025/`; links to folders and hidden
            ones are left out.

    Raises:
        ConfigError: It has none, or is no folder.
    """
    images: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if below and not name.startswith(".")]
        images += (Path(place, name) for name in files if _is_image(Path(place, name)))
    if not images:
        raise ConfigError(f"{folder} holds no images; put .jpg or .png files of the person in it")
    return sorted(images)


def folders_in(folder: Path) -> list[Path]:
    """List the folders in *folder*, one a person, by name.

    Raises:
        ConfigError: It has none, or is no folder.
    """
    try:
        people = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError as err:
        raise ConfigError(f"cannot look into {folder}: {err.strerror}") from err
    if not people:
        raise ConfigError(f"{folder} holds no folders; make one for each person, with their photos")
    return people


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in _ENDINGS and not file.name.startswith(".") and file.is_file()


def _refuse(err: OSError) -> None:
    raise ConfigError(f"cannot look into {err.filename}: {err.strerror}") from err


def _read(file: Path) -> Photo:
    try:
        with file.open("rb") as stream:
            # One byte more than is taken: enough to see that it is too large, and to refuse it
            # beside the others' reasons.
            return Photo(name=str(file), data=stream.read(MAX_PHOTO_BYTES + 1))
    except OSError as err:
        raise ConfigError(f"cannot read {file}: {err.strerror}") from err
